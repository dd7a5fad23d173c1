"""StoryCloze: which of two sentences ends a story, in several languages."""

from __future__ import annotations

from inference.loaders import LOADERS, Find, Row, Splits, like_the_first, read_jsonl
from inference.sources import CORE, add_source

add_source("opencompass/xstory_cloze", "data/xstory_cloze", archive=CORE)


@LOADERS.add("StoryClozeDataset")
def load_numbers(find: Find, path: str, *, lang: str) -> Splits:
    """The training and evaluation stories together as ``test``; ``context`` is their first four sentences."""
    return {"test": like_the_first(_stories(find, path, lang))}


@LOADERS.add("StoryClozeDatasetV2")
def load_letters(find: Find, path: str, *, lang: str) -> Splits:
    """As ``StoryClozeDataset`` in one split; ``answer_right_ending`` is A or B."""
    rows = _stories(find, path, lang)
    return like_the_first([{**row, "answer_right_ending": " AB"[row["answer_right_ending"]]} for row in rows])


def _stories(find: Find, path: str, lang: str) -> list[Row]:
    folder = find(path)
    rows = [row for split in ("train", "eval") for row in read_jsonl(folder / f"{lang}_{split}.jsonl")]
    return [{**row, "context": " ".join(row[f"input_sentence_{number}"] for number in range(1, 5))} for row in rows]
