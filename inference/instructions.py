"""Instructions whose obedience a program can tell: the 25 kinds of IFEval.

Zhou et al., "Instruction-Following Evaluation for Large Language Models" (arXiv 2311.07911). What counts as
obeyed is what the paper's program counts, which OpenCompass 0.5.4 carries. Each check takes the response and
the instruction's arguments by name. Where that program draws an argument that is missing or unusable at
random, the instruction is refused here, or (a letter that is none) taken as it stands.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from inference.problems import InputProblem
from inference.registry import check_options

Check = Callable[..., bool]

_CHECKS: dict[str, Check] = {}


def obeyed(instruction: str, response: str, arguments: dict[str, Any]) -> bool:
    """Whether a response obeys an instruction; silence obeys none.

    :param instruction: its id, such as ``punctuation:no_comma``.
    :param arguments: what the data set says of it; None means it says nothing.
    :raises InputProblem: unknown instruction, or one whose arguments are not given.
    """
    if instruction not in _CHECKS:
        raise InputProblem(f"unknown instruction {instruction!r}; known are {', '.join(sorted(_CHECKS))}")
    given = {name: value for name, value in arguments.items() if value is not None}
    check_options(_CHECKS[instruction], 1, given, f"instruction {instruction}")
    return bool(response.strip()) and _CHECKS[instruction](response, **given)


def variants(response: str) -> Iterator[str]:
    """The response, and without first line, last line or both, each also without asterisks: for loose checks."""
    lines = response.split("\n")
    kept = [response, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    yield from kept
    yield from (text.replace("*", "") for text in kept)


def _check(instruction: str) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        _CHECKS[instruction] = check
        return check

    return register


def _holds(count: int, relation: str, bound: int) -> bool:
    """:raises InputProblem: the relation is neither ``less than`` nor ``at least``."""
    if relation not in ("less than", "at least"):
        raise InputProblem(f"relation {relation!r} must be 'less than' or 'at least'")
    return count < bound if relation == "less than" else count >= bound


@_check("keywords:existence")
def _keywords(response: str, *, keywords: list[str]) -> bool:
    return all(re.search(keyword, response, flags=re.IGNORECASE) for keyword in keywords)


@_check("keywords:frequency")
def _keyword_frequency(response: str, *, keyword: str, frequency: int, relation: str) -> bool:
    return _holds(len(re.findall(keyword.strip(), response, flags=re.IGNORECASE)), relation, frequency)


@_check("keywords:forbidden_words")
def _forbidden_words(response: str, *, forbidden_words: list[str]) -> bool:
    return not any(re.search(rf"\b{word}\b", response, flags=re.IGNORECASE) for word in forbidden_words)


@_check("keywords:letter_frequency")
def _letter_frequency(response: str, *, letter: str, let_frequency: int, let_relation: str) -> bool:
    return _holds(response.lower().count(letter.lower()), let_relation, let_frequency)


@_check("language:response_language")
def _language(response: str, *, language: str) -> bool:
    return _is_in(response, language)


def _is_in(response: str, language: str) -> bool:
    """Whether langdetect takes a text for one in ``language``; True when it can tell nothing, as in the paper."""
    try:
        import langdetect
    except ImportError as error:
        raise InputProblem("IFEval tells languages with the package langdetect; install it") from error
    langdetect.DetectorFactory.seed = 0  # it samples: the same text must get the same answer twice
    try:
        return bool(langdetect.detect(response) == language)
    except langdetect.LangDetectException:
        return True


@_check("length_constraints:number_sentences")
def _sentences(response: str, *, num_sentences: int, relation: str) -> bool:
    return _holds(len(_nltk("sent_tokenize", response)), relation, num_sentences)


def _nltk(function: str, text: str) -> list[str]:
    try:
        import nltk
    except ImportError as error:
        raise InputProblem("IFEval counts sentences and words with the package nltk; install it") from error
    try:
        return list(getattr(nltk, function)(text))
    except LookupError as error:
        raise InputProblem(
            "nltk's punkt_tab, which IFEval counts sentences and words with, is not here; get it with: "
            "python -m nltk.downloader punkt_tab"
        ) from error


@_check("length_constraints:number_paragraphs")
def _paragraphs(response: str, *, num_paragraphs: int) -> bool:
    """Parts between ``***``; the first and the last may be empty, others not."""
    parts = [part.strip() for part in re.split(r"\s?\*\*\*\s?", response)]
    return all(parts[1:-1]) and sum(map(bool, parts)) == num_paragraphs


@_check("length_constraints:number_words")
def _words(response: str, *, num_words: int, relation: str) -> bool:
    return _holds(len(re.findall(r"\w+", response)), relation, num_words)


@_check("length_constraints:nth_paragraph_first_word")
def _first_word(response: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    """Parts between empty lines; the one asked for is counted with empty ones, the total without."""
    paragraphs = [part.strip() for part in response.split("\n\n")]
    count = sum(map(bool, paragraphs))
    paragraph = paragraphs[nth_paragraph - 1] if nth_paragraph <= count else ""
    if not paragraph:
        return False
    word = re.split(r"[.,?!'\"]", paragraph.split()[0].lstrip("'").lstrip('"'), maxsplit=1)[0]
    return count == num_paragraphs and word.lower() == first_word.lower()


@_check("detectable_content:number_placeholders")
def _placeholders(response: str, *, num_placeholders: int) -> bool:
    return len(re.findall(r"\[.*?\]", response)) >= num_placeholders


@_check("detectable_content:postscript")
def _postscript(response: str, *, postscript_marker: str) -> bool:
    marker = postscript_marker.strip()
    known = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return bool(re.search(known.get(marker, marker.lower()), response.lower()))


@_check("detectable_format:number_bullet_lists")
def _bullets(response: str, *, num_bullets: int) -> bool:
    bullets = re.findall(r"^\s*\*[^\*].*$", response, flags=re.MULTILINE)
    return len(bullets) + len(re.findall(r"^\s*-.*$", response, flags=re.MULTILINE)) == num_bullets


@_check("detectable_format:constrained_response")
def _constrained_response(response: str) -> bool:
    return any(f"My answer is {word}." in response for word in ("yes", "no", "maybe"))


@_check("detectable_format:number_highlighted_sections")
def _highlights(response: str, *, num_highlights: int) -> bool:
    single = [text for text in re.findall(r"\*[^\n\*]*\*", response) if text.strip("*").strip()]
    double = [text for text in re.findall(r"\*\*([^\n\*]*)\*\*", response) if text.strip()]
    return len(single) + len(double) >= num_highlights


@_check("detectable_format:multiple_sections")
def _sections(response: str, *, section_spliter: str, num_sections: int) -> bool:
    return len(re.split(rf"\s?{section_spliter.strip()}\s?\d+\s?", response)) - 1 >= num_sections


@_check("detectable_format:json_format")
def _json(response: str) -> bool:
    text = response.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```").strip())
    except ValueError:
        return False
    return True


@_check("detectable_format:title")
def _title(response: str) -> bool:
    return any(title.lstrip("<").rstrip(">").strip() for title in re.findall(r"<<[^\n]+>>", response))


@_check("combination:two_responses")
def _two_responses(response: str) -> bool:
    """Two different texts around ``******``; before the first and after the last nothing may stand either."""
    parts = [part.strip() for part in response.split("******")]
    said = [part for part in parts if part]
    return all(parts[1:-1]) and len(said) == 2 and said[0] != said[1]


@_check("combination:repeat_prompt")
def _repeats(response: str, *, prompt_to_repeat: str) -> bool:
    return response.strip().lower().startswith(prompt_to_repeat.strip().lower())


@_check("startend:end_checker")
def _ends(response: str, *, end_phrase: str) -> bool:
    return response.strip().strip('"').lower().endswith(end_phrase.strip().lower())


@_check("startend:quotation")
def _quoted(response: str) -> bool:
    text = response.strip()
    return len(text) > 1 and text[0] == '"' and text[-1] == '"'


@_check("change_case:capital_word_frequency")
def _capital_words(response: str, *, capital_frequency: int, capital_relation: str) -> bool:
    capital = Counter(map(str.isupper, _nltk("word_tokenize", response)))[True]
    return _holds(capital, capital_relation, capital_frequency)


@_check("change_case:english_capital")
def _upper(response: str) -> bool:
    return response.isupper() and _is_in(response, "en")


@_check("change_case:english_lowercase")
def _lower(response: str) -> bool:
    return response.islower() and _is_in(response, "en")


@_check("punctuation:no_comma")
def _no_comma(response: str) -> bool:
    return "," not in response
