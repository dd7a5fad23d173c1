"""C3: questions about Chinese dialogues and texts, two to four choices."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inference.loaders import LOADERS, Find, Row, Splits, read_text
from inference.problems import InputProblem
from inference.sources import CORE, add_source

add_source("opencompass/C3", "data/CLUE/C3", archive=CORE)


@LOADERS.add("C3Dataset")
def load_numbers(find: Find, path: str) -> Splits:
    """``label`` is 0 to 3; a question with fewer choices repeats its first one. Turns are joined by spaces."""
    rows = []
    for turns, question, choices, right in _questions(find(path)):
        filled = choices + choices[:1] * (4 - len(choices))
        rows.append(
            {"content": " ".join(turns), "question": question, **_columns(filled), "choices": filled, "label": right}
        )
    return rows


@LOADERS.add("C3Dataset_V2")
def load_letters(find: Find, path: str) -> Splits:
    """``label`` is A to D; a question with fewer choices is filled with ``[NULL]``. Turns follow one another."""
    rows = []
    for turns, question, choices, right in _questions(find(path)):
        filled = choices + ["[NULL]"] * (4 - len(choices))
        rows.append({"content": "".join(turns), "question": question, **_columns(filled), "label": "ABCD"[right]})
    return rows


def _columns(choices: list[str]) -> Row:
    return {f"choice{number}": choices[number] for number in range(4)}


def _questions(file: Path) -> Iterator[tuple[list[str], str, list[str], int]]:
    """Turns of the dialogue, question, choices and the number of the right one."""
    try:
        documents: list[Any] = json.loads(read_text(file))
    except ValueError as error:
        raise InputProblem(f"{file}: not JSON ({error}); get it anew") from error
    for document in documents:
        turns = ["".join(turn) for turn in document[0]]
        for asked in document[1]:
            yield turns, asked["question"], list(asked["choice"]), asked["choice"].index(asked["answer"])
