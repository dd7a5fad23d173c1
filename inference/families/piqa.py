"""PIQA: two ways to reach an everyday goal."""

from __future__ import annotations

from collections.abc import Callable

from inference.loaders import LOADERS, Find, Row, Splits, read_labelled
from inference.sources import add_source

add_source("opencompass/piqa", "data/piqa", archive="piqa.zip")


@LOADERS.add("PIQADataset")
def load_numbers(find: Find, path: str) -> Splits:
    """``goal``, ``sol1``, ``sol2`` and ``label``, 0 or 1."""
    return _load(find, path, lambda row, label: {**row, "label": label})


@LOADERS.add("PIQADatasetV2")
def load_letters(find: Find, path: str) -> Splits:
    """``goal``, ``sol1``, ``sol2`` and ``answer``, A or B; NULL where the label is not published."""
    return _load(find, path, lambda row, label: {**row, "answer": "NULL" if label < 0 else "AB"[label]})


@LOADERS.add("PIQADatasetV3")
def load_sentences(find: Find, path: str) -> Splits:
    """As ``PIQADataset``, with goals and solutions cased so that one reads on from the other."""

    def change(row: Row, label: int) -> Row:
        goal = _first(row["goal"], str.upper)
        case = str.upper if goal.endswith(("?", ".")) else str.lower
        return {
            **row,
            "goal": goal,
            "sol1": _first(row["sol1"], case),
            "sol2": _first(row["sol2"], case),
            "label": label,
        }

    return _load(find, path, change)


def _first(text: str, case: Callable[[str], str]) -> str:
    return case(text[0]) + text[1:]


def _load(find: Find, path: str, change: Callable[[Row, int], Row]) -> Splits:
    folder = find(path)
    splits: dict[str, list[Row]] = {}
    for split, stem in (("train", "train"), ("validation", "dev")):
        labelled = read_labelled(folder / f"{stem}.jsonl", folder / f"{stem}-labels.lst")
        rows = [change(row, int(label)) for row, label in labelled]
        splits[split] = [{column: value for column, value in row.items() if column != "id"} for row in rows]
    return splits
