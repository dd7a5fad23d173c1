"""Native dataset loaders: a path becomes rows."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Union

from inference.problems import InputProblem
from inference.registry import Registry

Row = dict[str, Any]
Splits = Union[list[Row], dict[str, list[Row]]]
"""Rows of the only split, which then serves as both, or of each split by name."""

LOADERS: Registry[Callable[..., Splits]] = Registry("dataset")
"""Loaders take the data's path and the dataset config's remaining keys."""

_OPTION = re.compile(r"^\(([A-Z])\) ?(.*)$")


def _read(path: Path) -> str:
    """The text of a data file; a byte order mark is dropped.

    Only what stays as it is until somebody acts is a problem of the input; a failing disk may be tried again.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise InputProblem(f"{path} cannot be read ({error.strerror}); put the data there") from error
    except UnicodeDecodeError as error:
        raise InputProblem(f"{path} is not UTF-8 (byte {error.start}); convert it") from error


def read_jsonl(path: Path) -> list[Row]:
    """One JSON object per line; empty lines are skipped.

    :raises InputProblem: the file cannot be read, or a line is no JSON object.
    """
    lines = enumerate(_read(path).split("\n"), 1)
    return [_object(line, f"{path}:{number}") for number, line in lines if line.strip()]


def _object(text: str, where: str) -> Row:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputProblem(f"{where}: not JSON ({error}); repair or remove the line") from error
    if not isinstance(value, dict):
        raise InputProblem(f"{where}: a JSON object is wanted, not {type(value).__name__}; repair or remove the line")
    return value


def read_csv(path: Path) -> list[Row]:
    """A header line and one row per record; values are strings.

    :raises InputProblem: the file cannot be read, or a record has more or fewer fields than the header.
    """
    reader = csv.DictReader(io.StringIO(_read(path), newline=""), strict=True)
    rows = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise InputProblem(f"{path}:{reader.line_num}: not as many fields as the header has; repair the line")
            rows.append(dict(row))
    except csv.Error as error:
        raise InputProblem(f"{path}:{reader.reader.line_num}: {error}; repair the line") from error
    return rows


def _splits(path: Path, suffix: str, read: Callable[[Path], list[Row]]) -> Splits:
    if path.is_file():
        return read(path)
    splits = {file.stem: read(file) for file in sorted(path.glob(f"*{suffix}"))}
    if not splits:
        raise InputProblem(
            f"{path} holds no *{suffix} file; put train{suffix} and test{suffix} there, or name one file"
        )
    return splits


@LOADERS.add("JsonlDataset")
def jsonl(path: Path) -> Splits:
    """``train.jsonl``, ``test.jsonl`` ... of a folder as splits, or one file."""
    return _splits(path, ".jsonl", read_jsonl)


@LOADERS.add("CsvDataset")
def table(path: Path) -> Splits:
    """``train.csv``, ``test.csv`` ... of a folder as splits, or one file."""
    return _splits(path, ".csv", read_csv)


@LOADERS.add("GSM8KDataset")
def gsm8k(path: Path) -> Splits:
    """``train.jsonl`` and ``test.jsonl`` with ``question`` and ``answer``."""
    return {split: read_jsonl(path / f"{split}.jsonl") for split in ("train", "test")}


@LOADERS.add("BBHDataset")
def bbh(path: Path, *, name: str) -> Splits:
    """``{name}.json`` with ``examples`` of ``input`` and ``target``."""
    return _examples(path, name)


def _examples(path: Path, name: str) -> list[Row]:
    file = path / f"{name}.json"
    examples = _object(_read(file), str(file)).get("examples")
    if not isinstance(examples, list) or not all(isinstance(row, dict) for row in examples):
        raise InputProblem(f"{file} has no list 'examples' of objects; it is no BIG-Bench Hard file")
    return examples


@LOADERS.add("BBHChoiceDataset")
def bbh_choice(path: Path, *, name: str, options: int | None = None) -> Splits:
    """A multiple-choice subset of BIG-Bench Hard with a column per option.

    Adds ``question`` (the input without its options) and ``A``, ``B`` ..., and makes ``target`` the
    letter alone. Rows that list no options, or whose target is none of them, are left out.

    :param options: keep only rows with exactly so many options (ranking needs the same labels in each).
    """
    choices = [choice for choice in map(_choices, _examples(path, name)) if choice]
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
