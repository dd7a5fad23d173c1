"""Winograd schema challenge: two sentences that differ in a word, and whom a pronoun means."""

from __future__ import annotations

from typing import Any

from inference.families.huggingface import read_changed
from inference.loaders import LOADERS, Find, Row, Splits
from inference.sources import add_source

add_source("winograd_wsc", "data/winograd_wsc", hub="winograd_wsc")


@LOADERS.add("WinogradDataset")
def load(find: Find, path: str, **options: Any) -> Splits:
    """The text as ``prompt``, the nouns as ``opt1`` and ``opt2``, ``pronoun``, ``quote`` and ``label``, 0 or 1."""
    return read_changed(find, path, options, _schema)


def _schema(row: Row) -> Row:
    kept = {column: value for column, value in row.items() if column not in ("text", "options", "source")}
    return {**kept, "prompt": row["text"], "opt1": row["options"][0], "opt2": row["options"][1]}
