"""Post-processors: a model's text becomes the answer that is scored.

Each behaves as OpenCompass 0.5.3's of the same name, mistakes included, so that scores can be compared.
A config names one by its registered name (``first-capital``) or by its function's dotted path.
"""

# ruff: noqa: RUF001  # first_option looks for Chinese phrases with full-width punctuation

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from inference.registry import Registry, build_kwargs, check_options

POSTPROCESSORS: Registry[Callable[..., Any]] = Registry("post-processor")


def open_postprocessor(config: Any, where: str) -> Callable[[str], Any]:
    """The function of a ``dict(type=..., **kwargs)``; the identity for None.

    :param where: the config's place, for messages.
    :raises NotNative: unknown type, or options it does not take.
    """
    if config is None:
        return lambda text: text
    type_, kwargs = build_kwargs(config, where)
    function = POSTPROCESSORS.find(type_)
    check_options(function, 1, kwargs, f"{where} {type_}")
    return (lambda text: function(text, **kwargs)) if kwargs else function


@POSTPROCESSORS.add("general", "general_postprocess")
def general(text: str) -> str:
    """The words before the first newline, period or comma, without punctuation and English articles."""
    head = re.split(r"[\n.,]", text, maxsplit=1)[0]
    words = re.sub(r"[^\w\s]", "", head)
    return " ".join(re.sub(r"\b(?:a|an|the)\b", "", words, flags=re.IGNORECASE).split())


@POSTPROCESSORS.add("first-capital", "first_capital_postprocess")
def first_capital(text: str) -> str:
    """The first upper-case letter."""
    return next(filter(str.isupper, text), "")


@POSTPROCESSORS.add("last-capital", "last_capital_postprocess")
def last_capital(text: str) -> str:
    """The last upper-case letter."""
    return next(filter(str.isupper, reversed(text)), "")


@POSTPROCESSORS.add("last_option_postprocess")
def last_option(text: str, options: str) -> str:
    """The last of the option letters, wherever it stands."""
    found: list[str] = re.findall(f"[{options}]", text)
    return found[-1] if found else ""


_SPOKEN_ANSWERS = r"""
    答案是?\s*@                     答案是?\s*：\s*@                  答案是?\s*:\s*@
    答案选项应?该?是\s*@             答案选项应?该?为\s*@              答案应该?是\s*@
    答案应该?选\s*@                 答案选项为?\s*：\s*@              答案选项为?\s+\(?\*?\*?@\*?\*?\)?
    答案选项是?\s*:\s*@             答案为\s*@                       答案选\s*@
    选择?\s*@                      故选?\s*@只有选?项?\s?@\s?是?对     只有选?项?\s?@\s?是?错
    只有选?项?\s?@\s?不?正确         只有选?项?\s?@\s?错误             说法不?对选?项?的?是\s?@
    说法不?正确选?项?的?是\s?@       说法错误选?项?的?是\s?@           @\s?是正确的
    @\s?是正确答案                  选项\s?@\s?正确                   所以答\s?@
    所以\s?(#[.。$]?$)              所有\s?(#[.。$]?$)                [\s，：:,]@[。，,\.]?$
    [\s，,：:][故即]@[。\.]?$        [\s，,：:]因此@[。\.]?$            [是为。]\s?@[。\.]?$
    因此\s?@[。\.]?$                显然\s?@[。\.]?$                  答案是\s?(\S+)(?:。|$)
    答案应该是\s?(\S+)(?:。|$)       答案为\s?(\S+)(?:。|$)            (?i:ANSWER\s*:\s*@)
"""
"""What OpenCompass looks for, in its order: ``@`` is a captured option, ``#`` an option. One entry is two
of its patterns that a missing comma fused."""

_ENGLISH_ANSWERS = (
    r"[Tt]he answer is:?\s+\(?@\)?",
    r"[Tt]he answer is:?\s+\(?\*?\*?@\*?\*?\)?",
    *(rf"[Tt]he {lead}:?\s+\(?@\)?" for lead in ("answer is option", "correct answer is", "correct answer is option")),
    *(rf"[Tt]he correct {noun} is:?.*?boxed{{@}}" for noun in ("answer", "option", "answer option")),
    r"[Tt]he answer to the question is:?\s+\(?@\)?",
)
_BARE_ANSWERS = (r"^选项\s?@", r"^@\s?选?项", r"(\s|^)#[\s。，,：:\.$]", r"1.\s?(.*?)$", r"1.\s?@[.。$]?$")
_CUSHION = ("@:", "@")


@lru_cache(maxsize=64)
def _option_patterns(options: str, cushion: bool) -> tuple[re.Pattern[str], ...]:
    sources = (*_SPOKEN_ANSWERS.split(), *_ENGLISH_ANSWERS, *_BARE_ANSWERS, *(_CUSHION if cushion else ()))
    letter = f"[{options}]"
    return tuple(re.compile(source.replace("@", f"({letter})").replace("#", letter), re.DOTALL) for source in sources)


@POSTPROCESSORS.add("first_option_postprocess")
def first_option(text: str, options: str, cushion: bool = True) -> str:
    """The option an answer names, by the first of many phrases that occurs.

    :param options: the letters, such as ``ABCD``.
    :param cushion: whether any option letter will do when no phrase occurs.
    """
    stripped = text.strip()
    for pattern in _option_patterns(options, cushion):
        match = pattern.search(stripped)
        said = (match.group(1) or match.group(0)) if match else ""
        found = next((option for option in options if option in said), "")
        if found:
            return found
    return ""


@POSTPROCESSORS.add("first-capital-multi", "first_capital_postprocess_multi")
def first_capitals(text: str) -> str:
    """The first run of the letters A to D, for questions with several right options."""
    match = re.search(r"[A-D]+", text)
    return match.group() if match else ""


@POSTPROCESSORS.add("multiple-select", "multiple_select_postprocess")
def capitals(text: str) -> str:
    """Every upper-case letter once, in alphabetical order."""
    return "".join(sorted(set(filter(str.isupper, text))))


@POSTPROCESSORS.add("extract-non-reasoning-content", "extract_non_reasoning_content")
def without_reasoning(
    text: str,
    think_start_token: str = "<think>",  # noqa: S107  # a mark in texts
    think_end_token: str = "</think>",  # noqa: S107
) -> str:
    """What stands outside of the model's reasoning; after its end, where only that is marked."""
    if think_start_token not in text and think_end_token in text:
        return text.split(think_end_token)[-1].strip()
    return re.sub(rf"{think_start_token}(.*?){think_end_token}", "", text, flags=re.DOTALL).strip()


@POSTPROCESSORS.add("think_pred", "think_pred_postprocess")
def after_thinking(text: str, re_pattern: str) -> str:
    """The first group of the first match of a pattern, else the text."""
    match = re.search(re_pattern, text)
    return match.group(1).strip() if match else text


@POSTPROCESSORS.add("match_answer_pattern")
def matched(text: str, answer_pattern: str) -> str:
    """The first group of the first match of a pattern, nothing without one."""
    match = re.search(answer_pattern, text)
    return match.group(1) if match else ""


@POSTPROCESSORS.add("specific-xml-tag", "xml_tag_postprocessor")
def tagged(text: str, tag: str) -> str:
    """What stands in the last element of a tag, ``NO ANSWER FOUND`` without one.

    :param tag: with its brackets, such as ``<conclude>``.
    """
    found: list[str] = re.findall(rf"{tag}(.*?)</{tag[1:-1]}>", text, re.DOTALL)
    return found[-1].strip() if found else "NO ANSWER FOUND"
