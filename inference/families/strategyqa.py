"""StrategyQA: yes or no, after steps that the question leaves out."""

from __future__ import annotations

import json
import re
from typing import Any

from inference.loaders import LOADERS, Find, Splits, like_the_first, read_text
from inference.postprocess import POSTPROCESSORS
from inference.problems import InputProblem
from inference.sources import add_source

add_source("opencompass/strategy_qa", "data/strategyqa/strategyQA_train.json")


@LOADERS.add("StrategyQADataset")
def load(find: Find, path: str) -> Splits:
    """One list of objects."""
    rows = json.loads(read_text(find(path)))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InputProblem(f"{find(path)} holds no list of objects; it is no StrategyQA file")
    return like_the_first(rows)


@POSTPROCESSORS.add("strategyqa", "strategyqa_pred_postprocess")
def yes_or_no(text: str) -> str:
    """The first yes or no after the last ``answer is`` of the first paragraph."""
    match = re.search("yes|no", text.split("\n\n")[0].split("answer is ")[-1].lower())
    return match.group() if match else ""


@POSTPROCESSORS.add("strategyqa_dataset", "strategyqa_dataset_postprocess")
def reference(value: Any) -> str:
    """``yes`` for true."""
    return "yes" if str(value) == "True" else "no"
