"""RACE: questions about an article, from English exams in China."""

from __future__ import annotations

from inference.loaders import LOADERS, Find, Row, Splits, read_jsonl
from inference.sources import add_source

add_source("opencompass/race", "data/race", archive="race.zip")


@LOADERS.add("RaceDataset")
def load(find: Find, path: str, *, name: str) -> Splits:
    """``validation`` and ``test`` of ``{split}/{name}.jsonl``, the choices as ``A`` to ``D``."""
    folder = find(path)
    return {
        split: [_question(row) for row in read_jsonl(folder / split / f"{name}.jsonl")]
        for split in ("validation", "test")
    }


def _question(row: Row) -> Row:
    choices = {letter: row["options"][number] for number, letter in enumerate("ABCD")}
    return {"article": row["article"], "question": row["question"], **choices, "answer": row["answer"]}
