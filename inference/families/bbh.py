"""BIG-Bench Hard: 27 tasks, of free answers and of multiple choice."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from inference.evaluators import EVALUATORS, Scored, scored
from inference.loaders import LOADERS, Find, Row, Splits, parse_object, read_text
from inference.postprocess import POSTPROCESSORS
from inference.problems import InputProblem
from inference.sources import add_source

add_source("opencompass/bbh", "data/BBH/data", archive="BBH.zip")

_OPTION = re.compile(r"^\(([A-Z])\) ?(.*)$")


@LOADERS.add("BBHDataset")
def load(find: Find, path: str, *, name: str) -> Splits:
    """``{name}.json`` with ``examples`` of ``input`` and ``target``."""
    return _examples(find(path), name)


def _examples(path: Path, name: str) -> list[Row]:
    file = path / f"{name}.json"
    examples = parse_object(read_text(file), str(file)).get("examples")
    if not isinstance(examples, list) or not all(isinstance(row, dict) for row in examples):
        raise InputProblem(f"{file} has no list 'examples' of objects; it is no BIG-Bench Hard file")
    return examples


@LOADERS.add("BBHChoiceDataset")
def load_choices(find: Find, path: str, *, name: str, options: int | None = None) -> Splits:
    """A multiple-choice subset of BIG-Bench Hard with a column per option.

    Adds ``question`` (the input without its options) and ``A``, ``B`` ..., and makes ``target`` the
    letter alone. Rows that list no options, or whose target is none of them, are left out.

    :param options: keep only rows with exactly so many options (ranking needs the same labels in each).
    """
    choices = [choice for choice in map(_choices, _examples(find(path), name)) if choice]
    kept = [(letters, row) for letters, row in choices if options is None or len(letters) == options]
    if not kept:
        counts = sorted({len(letters) for letters, _ in choices})
        raise InputProblem(f"{name} has no row with {options or 'lettered'} options; counts that occur: {counts}")
    return [{**row, **letters} for letters, row in kept]


def _choices(row: Row) -> tuple[dict[str, str], Row] | None:
    """The options by letter and the row without them; None for a row that is no multiple choice."""
    question, _, listing = str(row.get("input", "")).partition("\nOptions:\n")
    lines = map(_OPTION.match, listing.splitlines())
    letters = {match.group(1): match.group(2).strip() for match in lines if match}
    target = str(row.get("target", "")).strip("() ")
    return (letters, {**row, "question": question, "target": target}) if target in letters else None


@POSTPROCESSORS.add("bbh-mcq", "bbh_mcq_postprocess")
def letter(text: str) -> str:
    """The letter in brackets after the first ``answer is ``, else the first capital there, else the text."""
    parts = text.split("answer is ")
    answer = parts[1].strip() if len(parts) > 1 else text
    match = re.search(r"\(([A-Z])\)*", answer) or re.search(r"([A-Z])", answer)
    return match.group(1) if match else answer


@POSTPROCESSORS.add("bbh-freeform", "bbh_freeform_postprocess")
def freeform(text: str) -> str:
    """The first line after the last ``answer is``: what is bold in it, yes/no/true/false, or its words."""
    parts = re.split(r"answer is\s*:?\s*", text, flags=re.IGNORECASE)
    answer = (parts[-1].strip() if len(parts) > 1 else text).split("\n")[0].strip()
    answer = answer[:-1].strip() if answer.endswith(".") else answer
    bold = re.search(r"\*\*(.*?)\*\*", answer)
    answer = bold.group(1).strip() if bold else answer
    word = re.match(r"(yes|no|true|false)\b", answer, flags=re.IGNORECASE)
    if word:
        return word.group(1).capitalize()
    if not re.search(r"\d\s*,\s*\d", answer):
        answer = re.sub(r"\s*,\s*", " ", answer)
    return re.sub(r"\s+", " ", answer).strip()


@EVALUATORS.add("BBHEvaluator")
def score_freeform(predictions: list[Any], references: list[Any]) -> Scored:
    """Both sides reduced by ``bbh-freeform`` and compared without regard to case."""
    details = []
    for prediction, reference in zip(predictions, references, strict=True):
        said, wanted = freeform(str(prediction)), freeform(str(reference))
        details.append({"pred": said, "answer": wanted, "correct": said.casefold() == wanted.casefold()})
    return scored("score", details)


@EVALUATORS.add("BBHEvaluator_mcq")
def score_letters(predictions: list[Any], references: list[Any]) -> Scored:
    """Equal, where the predictions were reduced to a letter before."""
    details = [
        {"pred": prediction, "answer": reference, "correct": prediction == reference}
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    return scored("score", details)
