"""What dataset loaders are, and how they read files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Union

from inference.problems import InputProblem
from inference.registry import Registry

Row = dict[str, Any]
Splits = Union[list[Row], dict[str, list[Row]]]
"""Rows of the only split, which then serves as both, or of each split by name."""

Find = Callable[[str], Path]
"""Where a config's path or OpenCompass's name of a data set lies; see :mod:`inference.sources`."""

LOADERS: Registry[Callable[..., Splits]] = Registry("dataset")
"""Loaders take a :data:`Find` and the dataset config's options by name, ``path`` among them."""


def read_text(path: Path) -> str:
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
    lines = enumerate(read_text(path).split("\n"), 1)
    return [parse_object(line, f"{path}:{number}") for number, line in lines if line.strip()]


def parse_object(text: str, where: str) -> Row:
    """A JSON object.

    :param where: the text's file and line, for messages.
    :raises InputProblem: it is none.
    """
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
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    rows = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise InputProblem(f"{path}:{reader.line_num}: not as many fields as the header has; repair the line")
            rows.append(dict(row))
    except csv.Error as error:
        raise InputProblem(f"{path}:{reader.reader.line_num}: {error}; repair the line") from error
    return rows


def read_splits(path: Path, suffix: str, read: Callable[[Path], list[Row]]) -> Splits:
    """``train``, ``test`` ... of a folder as splits, or one file.

    :param suffix: of the folder's files.
    :raises InputProblem: the folder holds no such file, or one cannot be read.
    """
    if path.is_file():
        return read(path)
    splits = {file.stem: read(file) for file in sorted(path.glob(f"*{suffix}"))}
    if not splits:
        raise InputProblem(
            f"{path} holds no *{suffix} file; put train{suffix} and test{suffix} there, or name one file"
        )
    return splits
