"""BIG-Bench Extra Hard: what became of 23 tasks of BIG-Bench Hard."""

from __future__ import annotations

import re

from inference.evaluators import EVALUATORS, Scored, scored
from inference.loaders import LOADERS, Find, Splits, like_the_first, parse_object, read_text
from inference.postprocess import POSTPROCESSORS
from inference.sources import add_source

add_source("opencompass/bbeh", "data/bbeh", archive="bbeh.zip")


_PREFIXES = ("The answer is: ", "The answer is ", "The final answer is: ", "The final answer is ")
_MARKUP = {
    "\\boxed": r"\\boxed{(.*?)}",
    "\\text": r"\\text(?:tt)?{(.*?)}",
    "**": r"\*\*(.*?)\*\*",
}
"""A sign of each kind of markup, and what of it stands in the text."""


@LOADERS.add("BBEHDataset")
def load(find: Find, path: str, *, name: str) -> Splits:
    """``examples`` of ``{name}/task.json``."""
    file = find(path) / name / "task.json"
    return like_the_first(parse_object(read_text(file), str(file))["examples"])


@POSTPROCESSORS.add("bbeh_freeform", "bbeh_freeform_postprocess")
def freeform(text: str) -> str:
    """The line after the last "the answer is" without boxes and bold, in lower case."""
    answer = _after_prefix(text)
    for sign, pattern in _MARKUP.items():
        answer = re.sub(pattern, r"\1", answer) if sign in answer else answer
    return _first_line(answer)


@POSTPROCESSORS.add("bbeh_mcq", "bbeh_mcq_postprocess")
def letter(text: str) -> str:
    """The line after the last "the answer is" without brackets around the whole, in lower case."""
    return _first_line(_after_prefix(text).strip("()"))


@EVALUATORS.add("BBEHEvaluator")
def score(predictions: list[str], references: list[str]) -> Scored:
    """Equal after ``bbeh_freeform``, where quotes or brackets of the reference and blanks at commas do not count."""
    details = []
    for prediction, reference in zip(predictions, references, strict=True):
        said, wanted = freeform(prediction), reference.lower()
        alike = said in (wanted, wanted.strip("'\"()[]")) or ("," in wanted and _tight(said) == _tight(wanted))
        details.append({"pred": said, "answer": wanted, "correct": alike})
    return scored("score", details)


@EVALUATORS.add("BBEHEvaluator_mcq")
def score_letters(predictions: list[str], references: list[str]) -> Scored:
    """Equal after ``bbeh_mcq``."""
    details = []
    for prediction, reference in zip(predictions, references, strict=True):
        said, wanted = letter(prediction), reference.lower().strip("()")
        details.append({"pred": said, "answer": wanted, "correct": said == wanted})
    return scored("score", details)


def _after_prefix(text: str) -> str:
    prefix = next((prefix for prefix in _PREFIXES if prefix in text), None)
    return text.split(prefix)[-1] if prefix else text


def _first_line(text: str) -> str:
    return text.split("\n")[0].strip().lower()


def _tight(text: str) -> str:
    return re.sub(r"\s*,\s*", ",", text)
