"""Equality of answer and reference."""

from __future__ import annotations

from typing import Any

from inference.evaluators import EVALUATORS, Metric, Scored, percent_correct

_CONTAMINATION = {
    "clean": "clean",
    "input contamination": "input contaminated",
    "input-and-label contamination": "input-and-label contaminated",
}
"""What the Contamination Detector says of a row -> the group's name in OpenCompass's metrics."""


@EVALUATORS.add("AccEvaluator")
def accuracy(predictions: list[Any], references: list[Any]) -> Scored:
    """Equal as strings."""
    return percent_correct("accuracy", _same_text(predictions, references))


@EVALUATORS.add("AccwithDetailsEvaluator")
def accuracy_with_details(predictions: list[Any], references: list[Any], *, prompts: list[Any]) -> Scored:
    """Equal; the details show what was asked."""
    details = [
        {"prompt": prompt, "pred": prediction, "refr": reference, "is_correct": prediction == reference}
        for prompt, prediction, reference in zip(prompts, predictions, references, strict=True)
    ]
    return percent_correct("accuracy", [detail["is_correct"] for detail in details], details)


@EVALUATORS.add("AccContaminationEvaluator")
def accuracy_by_contamination(predictions: list[Any], references: list[Any], *, rows: list[dict[str, Any]]) -> Scored:
    """Equal as strings, for each group of rows by ``is_clean``; a group without rows has no metric."""
    correct = _same_text(predictions, references)
    metrics = []
    for found, group in _CONTAMINATION.items():
        of_group = [is_right for is_right, row in zip(correct, rows, strict=True) if row["is_clean"] == found]
        if of_group:
            metrics.append(Metric(f"accuracy - {group}", sum(of_group) / len(of_group) * 100))
    return Scored(tuple(metrics), correct=correct)


def _same_text(predictions: list[Any], references: list[Any]) -> list[bool]:
    return [str(said) == str(wanted) for said, wanted in zip(predictions, references, strict=True)]
