"""What evaluators are: answers and references become metrics, and a score for every item.

Metric names and what counts as correct are OpenCompass 0.5.4's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from inference.registry import Registry


@dataclass(frozen=True)
class Metric:
    """:param name: as OpenCompass's result files and summaries name it.
    :param value: of all items together.
    :param unit: ``percent``, or what the value is measured in; "" for a bare number.
    """

    name: str
    value: float
    unit: str = "percent"
    higher_is_better: bool = True


@dataclass(frozen=True)
class Scored:
    """:param metrics: the first one is what a table shows.
    :param scores: each item's share in the first metric, in its unit, where their mean is that metric; else empty.
    :param correct: whether each item is, None when this evaluator has no right and wrong.
    :param details: what OpenCompass's evaluator of that name says of each item, None when it says nothing.
    """

    metrics: tuple[Metric, ...]
    scores: Sequence[float] = ()
    correct: Sequence[bool] | None = None
    details: list[dict[str, Any]] | None = None


Evaluator = Callable[..., Scored]

EVALUATORS: Registry[Evaluator] = Registry("evaluator")
"""Evaluators take the post-processed predictions and the references, and their config's options by name.

One that has a parameter ``rows`` or ``prompts`` is also given the dataset's rows, or what the model was asked.
"""


def percent_correct(name: str, correct: Sequence[bool], details: list[dict[str, Any]] | None = None) -> Scored:
    """The percentage of correct items as the only metric, called ``name``."""
    scores = [100.0 * is_correct for is_correct in correct]
    metric = Metric(name, sum(correct) / len(correct) * 100)
    return Scored((metric,), scores, correct, details)


def scored(name: str, details: list[dict[str, Any]]) -> Scored:
    """The percentage of details that say ``correct``, called ``name``."""
    return percent_correct(name, [bool(detail["correct"]) for detail in details], details)
