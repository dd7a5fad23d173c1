"""What a result of OpenCompass's says about single samples, in the shapes that its releases gave ``details``.

Seen: a list of what the evaluator says of each sample, every value a list with one entry per replica (0.5); such a
list with plain values; a dict "0".."N-1" of the evaluator's, or the one that the task formats itself, with ``type``
beside the numbers (0.2 to 0.5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

from opencompass_ops.results.findings import Sample

CORRECT = ("correct", "is_correct", "cascade_correct")
"""OpenCompass's names for whether an answer is right, in the order in which it looks for them."""


def samples_of(details: Any) -> tuple[Sample, ...]:
    """One sample per entry; empty when no entry says whether its answer was right.

    The score of a sample that was answered several times is the mean over its answers.
    """
    samples = tuple(_sample(index, entry) for index, entry in enumerate(_entries(details)))
    return samples if any(sample.score is not None for sample in samples) else ()


def count_of(details: Any) -> int:
    """How many samples the details tell of."""
    return sum(1 for _ in _entries(details))


def _entries(details: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(details, Mapping):
        details = [details[key] for key in sorted((key for key in details if key.isascii() and key.isdigit()), key=int)]
    if isinstance(details, list):
        yield from (entry for entry in details if isinstance(entry, Mapping))


def _sample(index: int, entry: Mapping[str, Any]) -> Sample:
    name = entry.get("example_abbr")
    said = next((entry[key] for key in CORRECT if key in entry), None)
    marks = said if isinstance(said, list) else [said]
    if not marks or not all(isinstance(mark, bool) or mark in (0, 1) for mark in marks):
        return Sample(index, name if isinstance(name, str) else "", None, None)
    correct = bool(marks[0]) if len(marks) == 1 else None
    return Sample(index, name if isinstance(name, str) else "", correct, fmean(map(float, marks)))
