"""Exact match of words."""

from __future__ import annotations

from typing import Any

from inference.evaluators import EVALUATORS, Scored, scored
from inference.postprocess import general


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
    return scored("score", details)
