"""Evaluators: answers and references become metrics, and a score for every item.

Metric names and what counts as correct are OpenCompass 0.5.3's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inference.postprocess import bbh_freeform, general
from inference.registry import Registry


@dataclass(frozen=True)
class Scored:
    """:param metric: the metric's name; its value is the percentage of correct items.
    :param correct: whether each item is.
    :param details: what OpenCompass's evaluator of that name says of each item, None when it says nothing.
    """

    metric: str
    correct: list[bool]
    details: list[dict[str, Any]] | None = None

    @property
    def value(self) -> float:
        """Percent of the items that are correct."""
        return sum(self.correct) / len(self.correct) * 100


Evaluator = Callable[[list[Any], list[Any]], Scored]

EVALUATORS: Registry[Evaluator] = Registry("evaluator")


@EVALUATORS.add("AccEvaluator")
def accuracy(predictions: list[Any], references: list[Any]) -> Scored:
    """Equal as strings."""
    pairs = zip(predictions, references, strict=True)
    return Scored("accuracy", [str(prediction) == str(reference) for prediction, reference in pairs])


@EVALUATORS.add("EMEvaluator")
def exact_match(predictions: list[Any], references: list[Any]) -> Scored:
    """One of the reference's answers, with both sides reduced to their words or as it stands.

    OpenCompass's references are lists of answers; a single text is taken as a list of one.
    """
    details = []
    for prediction, reference in zip(predictions, references, strict=True):
        answers = [str(answer) for answer in (reference if isinstance(reference, (list, tuple)) else [reference])]
        accepted = sorted({*answers, *map(general, answers)})
        said = general(str(prediction))
        details.append({"pred": said, "answer": accepted, "correct": said in accepted})
    return _scored("score", details)


@EVALUATORS.add("Gsm8kEvaluator")
def gsm8k(predictions: list[Any], references: list[Any]) -> Scored:
    """The same text, or the same number as the reference's whole number."""
    details = [
        {"pred": prediction, "answer": reference, "correct": _same_number(prediction, reference)}
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    return _scored("accuracy", details)


@EVALUATORS.add("BBHEvaluator")
def bbh(predictions: list[Any], references: list[Any]) -> Scored:
    """Both sides reduced by ``bbh-freeform`` and compared without regard to case."""
    details = []
    for prediction, reference in zip(predictions, references, strict=True):
        said, wanted = bbh_freeform(str(prediction)), bbh_freeform(str(reference))
        details.append({"pred": said, "answer": wanted, "correct": said.casefold() == wanted.casefold()})
    return _scored("score", details)


@EVALUATORS.add("BBHEvaluator_mcq")
def bbh_mcq(predictions: list[Any], references: list[Any]) -> Scored:
    """Equal, where the predictions were reduced to a letter before."""
    details = [
        {"pred": prediction, "answer": reference, "correct": prediction == reference}
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    return _scored("score", details)


def _scored(metric: str, details: list[dict[str, Any]]) -> Scored:
    return Scored(metric, [bool(detail["correct"]) for detail in details], details)


def _same_number(prediction: Any, reference: Any) -> bool:
    if prediction == reference:
        return True
    try:
        return abs(float(prediction) - int(reference)) < 1e-6
    except (ValueError, TypeError, OverflowError):
        return False
