"""KCLE: questions of the sciences in Chinese, graded by a judge."""

from __future__ import annotations

from typing import Any

from inference.loaders import LOADERS, Find, Splits, read_jsonl
from inference.sources import add_source

add_source("opencompass/kcle", "data/kcle_diamond.jsonl")
add_source("opencompass/kcle_fix", "data/kcle_diamond_fix_251029.jsonl")


@LOADERS.add("KCLEDataset")
def load(find: Find, path: str, **ignored: Any) -> Splits:
    """``input`` and ``target`` of each line."""
    return [{"input": row["input"], "target": row["target"]} for row in read_jsonl(find(path))]
