"""CMB: Chinese medical exams with one or several right choices."""

from __future__ import annotations

import json
from pathlib import Path

from inference.loaders import LOADERS, Find, Row, Splits, like_the_first, read_text


@LOADERS.add("CMBDataset")
def load(find: Find, path: str) -> Splits:
    """``val``, and ``test`` without answers (NULL); ``option_str`` lists the choices that say something."""
    folder = find(path)
    test = [{**row, "answer": "NULL"} for row in _read(folder / "test.json")]
    return {"val": like_the_first(_read(folder / "val.json")), "test": like_the_first(test)}


def _read(file: Path) -> list[Row]:
    return [{**row, "option_str": _listed(row["option"])} for row in json.loads(read_text(file))]


def _listed(choices: dict[str, str]) -> str:
    return "\n".join(f"{letter}. {text}" for letter, text in choices.items() if len(text) > 1)
