"""Evaluators count what OpenCompass's count, under its metric names."""

from __future__ import annotations

import pytest

from inference.evaluators import EVALUATORS


@pytest.mark.parametrize(
    ("name", "metric", "predictions", "references", "correct"),
    [
        ("AccEvaluator", "accuracy", ["A", "1", "b"], ["A", 1, "B"], [True, True, False]),
        ("Gsm8kEvaluator", "accuracy", ["7", "7.0", "7.5"], ["7", "7", "7"], [True, True, False]),
        ("Gsm8kEvaluator", "accuracy", ["NULL", "x"], ["7", "x"], [False, True]),
        ("EMEvaluator", "score", ["The cat.", "dog", "1.9"], [["cat", "x"], ["cat"], ["1.5"]], [True, False, True]),
        ("EMEvaluator", "score", ["a cat"], ["The cat"], [True]),
        ("BBHEvaluator", "score", ["the answer is YES.", "so 3"], ["yes", "3"], [True, False]),
        ("BBHEvaluator_mcq", "score", ["A", "(A)"], ["A", "A"], [True, False]),
    ],
)  # fmt: skip
def test_correctness_of_each_item(name, metric, predictions, references, correct):
    scored = EVALUATORS.find(f"opencompass.x.{name}")(predictions, references)
    assert [each.name for each in scored.metrics] == [metric]
    assert scored.correct == correct
    assert scored.metrics[0].value == pytest.approx(100 * sum(correct) / len(correct))
    if scored.details is not None:
        assert [detail["correct"] for detail in scored.details] == correct


def test_predictions_and_references_must_be_as_many():
    with pytest.raises(ValueError, match="zip"):
        EVALUATORS.find("AccEvaluator")(["a"], [])
