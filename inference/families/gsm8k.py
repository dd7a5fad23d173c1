"""GSM8K: grade-school word problems with a whole number as the answer."""

from __future__ import annotations

import re
from typing import Any

from inference.evaluators import EVALUATORS, Scored, scored
from inference.loaders import LOADERS, Find, Splits, like_the_first, read_jsonl
from inference.postprocess import POSTPROCESSORS
from inference.problems import InputProblem
from inference.sources import add_source

add_source("opencompass/gsm8k", "data/gsm8k", archive="gsm8k.zip")


@LOADERS.add("GSM8KDataset")
def load(find: Find, path: str) -> Splits:
    """``train.jsonl`` and ``test.jsonl`` with ``question`` and ``answer``."""
    return {split: like_the_first(read_jsonl(find(path) / f"{split}.jsonl")) for split in ("train", "test")}


@POSTPROCESSORS.add("gsm8k_dataset", "gsm8k_dataset_postprocess")
def reference(text: str) -> str:
    """The number after ``#### `` of a GSM8K solution, without thousands separators.

    :raises InputProblem: the solution has none.
    """
    _, found, answer = text.partition("#### ")
    if not found:
        raise InputProblem(f"a GSM8K answer has no '#### ' before its number: {text[:80]!r}; check the data")
    return answer.split("#### ")[0].replace(",", "")


@POSTPROCESSORS.add("gsm8k", "gsm8k_postprocess")
def last_number(text: str) -> str:
    """The last number before the model begins another ``Question:``; ``NULL`` when there is none."""
    numbers: list[str] = re.findall(r"-?\d+\.\d+|-?\d+", text.split("Question:")[0])
    return numbers[-1] if numbers else "NULL"


@EVALUATORS.add("Gsm8kEvaluator")
def score(predictions: list[Any], references: list[Any]) -> Scored:
    """The same text, or the same number as the reference's whole number."""
    details = [
        {"pred": prediction, "answer": reference, "correct": _same_number(prediction, reference)}
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    return scored("accuracy", details)


def _same_number(prediction: Any, reference: Any) -> bool:
    if prediction == reference:
        return True
    try:
        return abs(float(prediction) - int(reference)) < 1e-6
    except (ValueError, TypeError, OverflowError):
        return False
