"""Equality."""

from __future__ import annotations

from typing import Any

from inference.evaluators import EVALUATORS, Scored, percent_correct


@EVALUATORS.add("AccEvaluator")
def accuracy(predictions: list[Any], references: list[Any]) -> Scored:
    """Equal as strings."""
    pairs = zip(predictions, references, strict=True)
    return percent_correct("accuracy", [str(prediction) == str(reference) for prediction, reference in pairs])
