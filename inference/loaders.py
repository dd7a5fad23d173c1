"""What dataset loaders are, and how they read files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Union

from inference.problems import InputProblem, MissingData
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
    except (FileNotFoundError, NotADirectoryError) as error:
        raise MissingData(f"{path} cannot be read ({error.strerror})", str(path.parent)) from error
    except (IsADirectoryError, PermissionError) as error:
        raise InputProblem(f"{path} cannot be read ({error.strerror}); put the data there") from error
    except UnicodeDecodeError as error:
        raise InputProblem(f"{path} is not UTF-8 (byte {error.start}); convert it") from error


def read_jsonl(path: Path) -> list[Row]:
    """One JSON object per line; empty lines are skipped.

    :raises InputProblem: the file cannot be read, or a line is no JSON object.
    """
    return [row for _, row in numbered_jsonl(path)]


def numbered_jsonl(path: Path) -> list[tuple[int, Row]]:
    """The same, each object with the number of its line, from 1."""
    # Not splitlines(): a line separator of Unicode inside a value is no end of the line.
    lines = enumerate(read_text(path).split("\n"), 1)
    return [(number, parse_object(line, f"{path}:{number}")) for number, line in lines if line.strip()]


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
    return [row for _, row in numbered_csv(path)]


def numbered_csv(path: Path) -> list[tuple[int, Row]]:
    """The same, each row with the number of its last line, from 1."""
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    rows = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise InputProblem(
                    f"{path}:{reader.line_num}: not as many fields as the header has "
                    f"({', '.join(reader.fieldnames or ())}); repair the line"
                )
            rows.append((reader.line_num, dict(row)))
    except csv.Error as error:
        raise InputProblem(f"{path}:{reader.reader.line_num}: {error}; repair the line") from error
    return rows


def read_records(path: Path) -> list[list[str]]:
    """The fields of each record of a CSV file without regard to a header; empty lines are skipped.

    Stray quotes are text, as the CSV files of MMLU and its kin need it.

    :raises InputProblem: the file cannot be read.
    """
    return [record for record in csv.reader(io.StringIO(read_text(path), newline="")) if record]


def read_labelled(rows: Path, labels: Path) -> list[tuple[Row, str]]:
    """Each line of a JSON lines file with the same line of a label file.

    :raises InputProblem: one cannot be read, or they have not as many lines.
    """
    found, said = read_jsonl(rows), read_text(labels).split()
    if len(found) != len(said):
        raise InputProblem(f"{rows} has {len(found)} lines and {labels} {len(said)}; get both anew")
    return list(zip(found, said, strict=True))


def read_contamination(path: Path, url: str) -> dict[str, list[Any]]:
    """What the Contamination Detector found for each row's id; OpenCompass keeps its file beside the data.

    :param url: where the file is got, for the message.
    :raises InputProblem: it is not there or no JSON object.
    """
    if not path.exists():
        raise InputProblem(f"{path} does not exist; get it with: curl -fL -o {path} {url}")
    return parse_object(read_text(path), str(path))


def chosen(letters: dict[str, str], value: Any) -> str:
    """The letter that stands for a label; JSON's ``true`` and the text ``"true"`` are the same label.

    :raises InputProblem: there is no such label.
    """
    label = value if isinstance(value, str) else json.dumps(value)
    if label not in letters:
        raise InputProblem(f"label {value!r} is none of {', '.join(letters)}; check the data")
    return letters[label]


def like_the_first(rows: list[Row]) -> list[Row]:
    """Rows with exactly the first one's columns, in its order; what a row lacks is None.

    So are OpenCompass's: it makes its tables with ``Dataset.from_list``.
    """
    return [{column: row.get(column) for column in rows[0]} for row in rows]


def with_columns_of_all(rows: list[Row]) -> list[Row]:
    """Rows with every column that occurs, in the order of their first occurrence; what a row lacks is None.

    So are those that OpenCompass has the ``datasets`` library read.
    """
    columns = dict.fromkeys(column for row in rows for column in row)
    return [{column: row.get(column) for column in columns} for row in rows]


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
