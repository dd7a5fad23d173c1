"""A judge's words become grades and metrics: OpenCompass 0.5.4's dict post-processors for its generic judge."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from inference.evaluators import Metric
from inference.registry import Registry

Grades = dict[int, str]
"""By number of the item, the tag that the judge said first, or ``unknown``."""

GRADINGS: Registry[Callable[..., tuple[Metric, ...]]] = Registry("dict post-processor")
"""Each takes what the judge said by number of the item, and its config's options; what it says is only of these."""


def grade(said: str, true_tag: str = "A", false_tag: str = "B") -> str:
    """The tag that stands first in what the judge said, ``unknown`` without one."""
    match = re.search(f"{re.escape(true_tag)}|{re.escape(false_tag)}", said)
    return match.group() if match else "unknown"


@GRADINGS.add("generic_llmjudge_postprocess")
def generic(said: Mapping[int, str], *, true_tag: str = "A", false_tag: str = "B") -> tuple[Metric, ...]:
    """Accuracy over all items, over those the judge took for right or wrong, and their harmonic mean."""
    return _metrics(said, true_tag, false_tag, "accuracy")


@GRADINGS.add("generic_llmjudge_academic_postprocess")
def academic(said: Mapping[int, str], *, metric_name: str = "accuracy") -> tuple[Metric, ...]:
    """The same without the harmonic mean."""
    return tuple(metric for metric in _metrics(said, "A", "B", metric_name) if metric.name != "f1")


def _metrics(said: Mapping[int, str], true_tag: str, false_tag: str, name: str) -> tuple[Metric, ...]:
    grades = [grade(text, true_tag, false_tag) for text in said.values()]
    count, right, wrong = len(grades), grades.count(true_tag), grades.count(false_tag)
    attempted = right + wrong
    given = right / attempted if attempted else 0.0
    share = right / count
    return (
        Metric(name, share * 100),
        Metric(f"{name}_given_attempted", given * 100),
        Metric("f1", 2 * given * share / (given + share) if given + share else 0.0, ""),
        Metric("attempted_ratio", attempted / count * 100),
        Metric("correct_count", right, ""),
        Metric("incorrect_count", wrong, "", higher_is_better=False),
        Metric("not_attempted_count", count - attempted, "", higher_is_better=False),
    )
