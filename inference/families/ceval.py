"""C-Eval, CMMLU and FinanceIQ: Chinese exams, four choices."""

from __future__ import annotations

from typing import Any

from inference.loaders import LOADERS, Find, Row, Splits, read_contamination, read_records
from inference.problems import InputProblem
from inference.sources import add_source

add_source("opencompass/ceval-exam", "data/ceval/formal_ceval", archive="ceval.zip")
add_source("opencompass/cmmlu", "data/cmmlu", archive="cmmlu.zip")

_CONTAMINATION = (
    "https://github.com/liyucheng09/Contamination_Detector/releases/download/v0.1.1rc/ceval_annotations.json"
)


@LOADERS.add("CEvalDataset")
def load(find: Find, path: str, *, name: str, local_mode: bool = False) -> Splits:
    """``dev``, ``val`` and ``test`` of ``{split}/{name}_{split}.csv``; ``answer`` and ``explanation`` may be empty.

    :param local_mode: OpenCompass's word for a path that is no id; both are found here.
    """
    return {split: _read(find, path, name, split) for split in ("dev", "val", "test")}


@LOADERS.add("CEvalDatasetClean")
def load_annotated(find: Find, path: str, *, name: str) -> Splits:
    """As ``CEvalDataset``; the ``val`` rows say in ``is_clean`` whether they were found in training data."""
    known = read_contamination(find(path) / "val/ceval_contamination_annotations.json", _CONTAMINATION)
    splits = {split: _read(find, path, name, split) for split in ("dev", "val", "test")}
    for number, row in enumerate(splits["val"]):
        row["is_clean"] = known[f"{name}-{number}"][0] if f"{name}-{number}" in known else "not labeled"
    return splits


def _read(find: Find, path: str, name: str, split: str) -> list[Row]:
    file = find(path) / split / f"{name}_{split}.csv"
    header, *records = read_records(file) or [[]]
    wrong = next((number for number, record in enumerate(records, 2) if len(record) != len(header)), None)
    if wrong:
        raise InputProblem(f"{file}: record {wrong} has other fields than its header {', '.join(header)}; get it anew")
    empty = {"explanation": "", "answer": ""}
    rows = [dict(zip(header, record, strict=True)) for record in records]
    return [{**row, **{column: "" for column in empty if column not in row}} for row in rows]


@LOADERS.add("CMMLUDataset", "FinanceIQDataset")
def load_cmmlu(find: Find, path: str, *, name: str, **ignored: Any) -> Splits:
    """``dev`` and ``test`` of ``{split}/{name}.csv``: a number, the question, four choices and the answer."""
    return {split: _read_cmmlu(find, path, name, split) for split in ("dev", "test")}


def _read_cmmlu(find: Find, path: str, name: str, split: str) -> list[Row]:
    file = find(path) / split / f"{name}.csv"
    columns = ("question", *"ABCD", "answer")
    records = read_records(file)[1:]
    wrong = next((number for number, record in enumerate(records, 2) if len(record) != len(columns) + 1), None)
    if wrong:
        raise InputProblem(
            f"{file}: record {wrong} has {len(records[wrong - 2])} fields where CMMLU has 7; get it anew"
        )
    return [dict(zip(columns, record[1:], strict=True)) for record in records]
