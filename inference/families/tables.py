"""Rows of one's own in JSON lines or CSV."""

from __future__ import annotations

from inference.loaders import LOADERS, Find, Splits, read_csv, read_jsonl, read_splits


@LOADERS.add("JsonlDataset")
def jsonl(find: Find, path: str) -> Splits:
    """``train.jsonl``, ``test.jsonl`` ... of a folder as splits, or one file."""
    return read_splits(find(path), ".jsonl", read_jsonl)


@LOADERS.add("CsvDataset")
def table(find: Find, path: str) -> Splits:
    """``train.csv``, ``test.csv`` ... of a folder as splits, or one file."""
    return read_splits(find(path), ".csv", read_csv)
