"""ChemBench4K: chemistry, four choices."""

from __future__ import annotations

import json
from pathlib import Path

from inference.loaders import LOADERS, Find, Row, Splits, read_text
from inference.sources import add_source

add_source("opencompass/ChemBench", "data/ChemBench")
add_source("opencompass/ChemBench4K", "data/ChemBench4K", archive="ChemBench4K.zip")


@LOADERS.add("ChemBenchDataset")
def load(find: Find, path: str, *, name: str) -> Splits:
    """``dev`` and ``test`` of ``{split}/{name}_benchmark.json``."""
    folder = find(path)
    return {split: _read(folder / split / f"{name}_benchmark.json") for split in ("dev", "test")}


def _read(file: Path) -> list[Row]:
    rows = json.loads(read_text(file))
    return [
        {"input": row["question"], **{letter: row[letter] for letter in "ABCD"}, "target": row["answer"]}
        for row in rows
    ]
