"""HellaSwag: which of four sentences goes on."""

from __future__ import annotations

from pathlib import Path

from inference.loaders import LOADERS, Find, Row, Splits, read_contamination, read_jsonl
from inference.sources import add_source

add_source("opencompass/hellaswag", "data/hellaswag/hellaswag.jsonl", archive="hellaswag.zip")
add_source("opencompass/hellaswag_ice", "data/hellaswag", archive="hellaswag.zip")

_CONTAMINATION = (
    "https://github.com/liyucheng09/Contamination_Detector/releases/download/v0.1.1rc2/"
    "hellaswag_annotations_with_line_index.json"
)


@LOADERS.add("HellaswagDataset")
def load_numbers(find: Find, path: str) -> Splits:
    """``ctx`` without the activity and whatever else ends with the second ``: ``; ``label`` is 0 to 3."""
    return [_numbered(row) for row in read_jsonl(find(path))]


@LOADERS.add("HellaswagDataset_V2")
def load_letters(find: Find, path: str) -> Splits:
    """``ctx`` without the activity; ``label`` is A to D."""
    return _lettered(find(path))


@LOADERS.add("HellaswagDataset_V3")
def load_queries(find: Find, path: str) -> Splits:
    """``query`` and ``gold`` as the file has them."""
    return [{"query": row["query"], **_choices(row), "gold": row["gold"]} for row in read_jsonl(find(path))]


@LOADERS.add("HellaswagDatasetwithICE")
def load_with_examples(find: Find, path: str) -> Splits:
    """``val`` as ``HellaswagDataset_V2``, and ``train`` with 25 examples."""
    folder = find(path)
    return {
        "train": _lettered(folder / "hellaswag_train_sampled25.jsonl"),
        "val": _lettered(folder / "hellaswag.jsonl"),
    }


@LOADERS.add("HellaswagDatasetClean")
def load_annotated(find: Find, path: str) -> Splits:
    """As ``HellaswagDataset``; ``is_clean`` says whether the row was found in training data."""
    file = find(path)
    known = read_contamination(file.parent / "hellaswag_val_contamination_annotations.json", _CONTAMINATION)
    return [
        {**_numbered(row), "is_clean": known[str(number)][0] if str(number) in known else "not labeled"}
        for number, row in enumerate(read_jsonl(file))
    ]


def _numbered(row: Row) -> Row:
    return {"ctx": row["query"].split(": ", 2)[-1], **_choices(row), "label": row["gold"]}


def _lettered(file: Path) -> list[Row]:
    return [
        {"ctx": row["query"].split(": ", 1)[-1], **_choices(row), "label": "ABCD"[row["gold"]]}
        for row in read_jsonl(file)
    ]


def _choices(row: Row) -> Row:
    return {letter: row["choices"][number] for number, letter in enumerate("ABCD")}
