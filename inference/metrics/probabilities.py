"""Metrics of probabilities: how well they tell two classes apart, and how surprising texts are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from inference.evaluators import EVALUATORS, Metric, Scored, of_many, without_references
from inference.problems import InputProblem


@EVALUATORS.add("AveragePPLEvaluator")
@without_references
def average_perplexity(predictions: list[float], references: list[None]) -> Scored:
    """The mean of the texts' PPL, which is the mean surprise of a token in nats."""
    mean = math.fsum(predictions) / len(predictions)
    return Scored((Metric("average_ppl", mean, unit="nats", higher_is_better=False),), list(predictions))


@EVALUATORS.add("AUCROCEvaluator")
@of_many
def area_under_roc(predictions: list[list[float]], references: list[Any]) -> Scored:
    """The area under the curve of the second class's probability, and how often the greater one is right; in percent.

    :raises InputProblem: not every prediction is a pair of probabilities, or only one class occurs.
    """
    if any(not isinstance(pair, list) or len(pair) != 2 for pair in predictions):
        raise InputProblem("AUCROCEvaluator compares probabilities of two choices; use it with CLPInferencer")
    correct = [
        int(second > first) == int(wanted) for (first, second), wanted in zip(predictions, references, strict=True)
    ]
    area = _area([second for _, second in predictions], [int(wanted) == 1 for wanted in references])
    accuracy = sum(correct) / len(correct) * 100
    return Scored((Metric("auc_score", area * 100), Metric("accuracy", accuracy)), correct=correct)


def _area(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """How often a positive item scores above a negative one, ties as half (Mann and Whitney's U over their product)."""
    ones, others = sum(positive), len(positive) - sum(positive)
    if not ones or not others:
        raise InputProblem("all references are of one class, so no curve can be drawn; check the output_column")
    ranks = _ranks(scores)
    above = math.fsum(rank for rank, is_one in zip(ranks, positive, strict=True) if is_one) - ones * (ones + 1) / 2
    return above / (ones * others)


def _ranks(values: Sequence[float]) -> list[float]:
    """From 1 for the least; equal values share the mean of their ranks."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    begin = 0
    for place, number in enumerate(order):
        if values[number] != values[order[begin]]:
            begin = place
        if place + 1 == len(order) or values[order[place + 1]] != values[number]:
            for same in order[begin : place + 1]:
                ranks[same] = (begin + place) / 2 + 1
    return ranks
