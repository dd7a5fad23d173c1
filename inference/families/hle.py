"""Humanity's Last Exam: the questions that need no picture."""

from __future__ import annotations

import json

from inference.hub import read_hub
from inference.loaders import LOADERS, Find, Row, Splits


@LOADERS.add("HLEDataset")
def load(find: Find, path: str, *, category: str | None = None) -> Splits:
    """The hub's test split without pictures, as both splits; its ``question`` is called ``problem``."""
    splits = read_hub(find, path)
    rows = [_named(row) for row in splits["test"] if row["image"] == "" and category in (None, "", row["category"])]
    return {**splits, "train": rows, "test": rows}


@LOADERS.add("HLEVerifiedDataset")
def load_verified(find: Find, path: str, *, verified_classes: str | None = None, category: str | None = None) -> Splits:
    """The same of what others checked, by how it came out."""
    splits = read_hub(find, path)
    rows = [
        _named(row)
        for row in splits["train"]
        if json.loads(row["json"])["image"] == ""
        and verified_classes in (None, "", row["Verified_Classes"])
        and category in (None, "", row["category"])
    ]
    return {**splits, "train": rows, "test": rows}


def _named(row: Row) -> Row:
    return {("problem" if key == "question" else key): value for key, value in row.items()}
