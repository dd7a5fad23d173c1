"""Shared words: F1 and exact match of SQuAD."""

from __future__ import annotations

import re
import string
from collections import Counter
from typing import Any

from inference.evaluators import EVALUATORS, Metric, Scored

_WITHOUT = str.maketrans("", "", string.punctuation)


def words(text: str) -> list[str]:
    """Lower-case words without punctuation and English articles (Rajpurkar et al. 2016, the official script)."""
    return re.sub(r"\b(a|an|the)\b", " ", text.lower().translate(_WITHOUT)).split()


def f1(said: str, wanted: str) -> float:
    """The harmonic mean of the shares of words that both texts have, between 0 and 1."""
    ours, theirs = words(said), words(wanted)
    if not ours or not theirs:
        return float(ours == theirs)
    common = sum((Counter(ours) & Counter(theirs)).values())
    return 2 * common / (len(ours) + len(theirs))


@EVALUATORS.add("WordF1Evaluator", "SquadEvaluator")
def shared_words(predictions: list[Any], references: list[Any]) -> Scored:
    """F1 and exact match of the first line with the reference that fits best.

    OpenCompass's ``SquadEvaluator`` of 0.5.4 cannot be loaded; this is what it means to compute. Its ``F1Evaluator``
    (of SeedBench) compares letters of options, so that name is left to it.
    """
    said = [str(prediction).split("\n")[0] for prediction in predictions]
    lists = [list(wanted) if isinstance(wanted, (list, tuple)) else [wanted] for wanted in references]
    best = [max(f1(one, str(wanted)) for wanted in each) for one, each in zip(said, lists, strict=True)]
    correct = [any(words(one) == words(str(wanted)) for wanted in each) for one, each in zip(said, lists, strict=True)]
    metrics = (Metric("f1", 100 * sum(best) / len(best)), Metric("exact_match", 100 * sum(correct) / len(correct)))
    return Scored(metrics, [100.0 * one for one in best], correct)
