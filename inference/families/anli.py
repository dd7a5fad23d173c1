"""ANLI: inferences that were chosen because models fail them."""

from __future__ import annotations

from inference.loaders import LOADERS, Find, Splits, chosen, like_the_first, read_jsonl
from inference.sources import CORE, add_source

add_source("opencompass/anli", "data/anli", archive=CORE)


@LOADERS.add("AnliDataset")
def load(find: Find, path: str) -> Splits:
    """``label`` is A for contradiction, B for entailment, C for neutral."""
    letters = {"c": "A", "e": "B", "n": "C"}
    return like_the_first([{**row, "label": chosen(letters, row["label"])} for row in read_jsonl(find(path))])
