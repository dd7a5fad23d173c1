"""Rows of one's own in ``.jsonl`` or ``.csv``, and the option that a free answer means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inference.evaluators import EVALUATORS, Scored, scored
from inference.loaders import LOADERS, Find, Row, Splits, like_the_first, numbered_csv, numbered_jsonl
from inference.metrics.edit_distance import edit_distance
from inference.postprocess import first_option
from inference.problems import InputProblem

_NEEDED = ("question", "answer")
"""Columns that every row has if the first one has them."""


@LOADERS.add("CustomDataset")
def load(find: Find, path: str, *, file_name: str | None = None, local_mode: bool = False) -> Splits:
    """One file, ``path`` itself or ``file_name`` in it.

    :param local_mode: is for OpenCompass's downloads; nothing is downloaded here.
    """
    return _read(find(path) / file_name if file_name else find(path))


@LOADERS.add("CodeCustomDataset")
def load_repeated(
    find: Find,
    path: str,
    *,
    file_name: str | None = None,
    local_mode: bool = False,
    num_repeats: int = 1,
    **ignored: Any,
) -> Splits:
    """The same, each row ``num_repeats`` times in a row; other options are ignored, as OpenCompass does."""
    rows = _read(find(path) / file_name if file_name else find(path))
    return [row for row in rows for _ in range(num_repeats)]


def _read(file: Path) -> list[Row]:
    """The rows of a file, with the columns of the first one.

    What a row lacks is None, as OpenCompass has it: an option, or a column that nobody asks for. A row without its
    question or reference, or with an option that the first one does not announce, would be scored wrong in silence.

    :raises InputProblem: it has no row, or such a one.
    """
    readers = {".jsonl": numbered_jsonl, ".csv": numbered_csv}
    if file.suffix not in readers:
        raise InputProblem(f"{file} is neither .jsonl nor .csv; convert it")
    numbered = readers[file.suffix](file)
    if not numbered:
        raise InputProblem(f"{file} has no row; it must have at least one with the columns of docs/configs.md")
    first = numbered[0][1]
    for line, row in numbered:
        problem = _problem(row, first)
        if problem:
            raise InputProblem(f"{file}:{line}: {problem}; the first row has {', '.join(first)}")
    return like_the_first([row for _, row in numbered])


def _problem(row: Row, first: Row) -> str:
    lost = next((column for column in _NEEDED if column in first and column not in row), "")
    if lost:
        return f"it lacks {lost!r}; add it"
    new = next((column for column in row if _is_option(column) and "A" in first and column not in first), "")
    return f"it has an option {new!r}, which nobody is shown; give the first row one too, or null" if new else ""


def _is_option(column: str) -> bool:
    return len(column) == 1 and "A" <= column <= "Z"


@EVALUATORS.add("OptionSimAccEvaluator")
def option_meant(predictions: list[Any], references: list[Any], *, rows: list[Row], options: list[str]) -> Scored:
    """The option a text names, else the only one whose words it holds, else the one nearest to it.

    :param options: the letters, which are columns of the rows; a row may leave some out.
    """
    if not all(isinstance(option, str) and len(option) == 1 and option.isupper() for option in options):
        raise InputProblem(f"options {options!r} of OptionSimAccEvaluator must be single capital letters")
    details = []
    for prediction, reference, row in zip(predictions, references, rows, strict=True):
        meant = _meant(str(prediction).strip(), row, options)
        details.append({"pred": prediction, "parsed": meant, "refr": reference, "correct": meant == reference})
    return scored("accuracy", details)


def _meant(text: str, row: Row, options: list[str]) -> str:
    named = text if text in options else first_option(text, "".join(options), cushion=False)
    if named:
        return named
    there = {option: str(row[option]) for option in options if row.get(option) is not None}
    held = [option for option, words in there.items() if words.lower() in text.lower()]
    if len(held) == 1:
        return held[0]
    ways = {option: (option, words, f"{option}. {words}") for option, words in there.items()}
    distances = [(min(edit_distance(text, way) for way in ways[option]), option) for option in there]
    return min(distances)[1] if distances else ""
