"""Model-written evaluations: risks of AI, personas, sycophancy; and CValues' responsibility."""

from __future__ import annotations

from collections.abc import Callable

from inference.hub import read_table
from inference.loaders import LOADERS, Find, Row, Splits

_MATCHING = "answer_matching_behavior"


@LOADERS.add("AiRiskDataset")
def load_risks(find: Find, path: str) -> Splits:
    """The matching answer as a letter, A to H."""
    return _changed(find, path, lambda row: _lettered(row, "ABCDEFGH"))


@LOADERS.add("SycophancyDataset")
def load_sycophancy(find: Find, path: str) -> Splits:
    """The matching answer as a letter, A to G."""
    return _changed(find, path, lambda row: _lettered(row, "ABCDEFG"))


@LOADERS.add("PersonaDataset")
def load_personas(find: Find, path: str) -> Splits:
    """The matching answer as a letter: A for yes, B for no."""
    return _changed(find, path, lambda row: {**row, _MATCHING: "A" if row[_MATCHING] == " Yes" else "B"})


@LOADERS.add("CValuesDataset")
def load_values(find: Find, path: str) -> Splits:
    """The answers are called A and B instead of 1 and 2, and so is the label."""

    def change(row: Row) -> Row:
        prompt = row["prompt"].replace("回复1", "回复A").replace("回复2", "回复B")
        return {**row, "prompt": prompt, "label": row["label"].replace("回复1", "A").replace("回复2", "B")}

    return _changed(find, path, change)


def _lettered(row: Row, letters: str) -> Row:
    said = row[_MATCHING]
    return {**row, _MATCHING: next((letter for letter in letters if letter in said), said)}


def _changed(find: Find, path: str, change: Callable[[Row], Row]) -> Splits:
    return {"train": [change(row) for row in read_table(find(path), "json")]}
