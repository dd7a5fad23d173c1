"""Mathematics competitions: AIME, CMO, OlymMATH, BeyondAIME."""

from __future__ import annotations

from typing import Any

from inference.hub import read_hub
from inference.loaders import LOADERS, Find, Row, Splits, like_the_first, read_jsonl
from inference.sources import add_source

add_source("opencompass/aime2024", "data/aime.jsonl", archive="aime.zip")
add_source("opencompass/cmo_fib", "data/cmo.jsonl", archive="cmo.zip")


@LOADERS.add("Aime2024Dataset", "CMOFibDataset")
def load(find: Find, path: str, **ignored: Any) -> Splits:
    """A line per problem: ``origin_prompt`` becomes also ``question``, ``gold_answer`` also ``answer``."""
    return like_the_first([_asked(row) for row in read_jsonl(find(path))])


def _asked(row: Row) -> Row:
    return {**row, "question": row["origin_prompt"], "answer": row["gold_answer"]}


@LOADERS.add("OlymMATHDataset")
def load_olympiads(find: Find, path: str, *, subset: str) -> Splits:
    """Every split of a subset on the hub."""
    return dict(read_hub(find, path, subset))


@LOADERS.add("BeyondAIMEDataset")
def load_beyond(find: Find, path: str, **ignored: Any) -> Splits:
    """The hub's test split, its ``problem`` called ``question``."""
    return [{("question" if key == "problem" else key): value for key, value in row.items()}
            for row in read_hub(find, path)["test"]]  # fmt: skip
