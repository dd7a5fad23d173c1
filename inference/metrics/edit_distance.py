"""Which candidate a text is nearest to, for models that do not stick to a format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from inference.evaluators import EVALUATORS, Scored, percent_correct

Candidate = Union[str, Sequence[str]]
"""An answer, or several ways to say it."""


@EVALUATORS.add("EDAccEvaluator")
def nearest_candidate(predictions: list[str], references: list[dict[str, Any]]) -> Scored:
    """The candidate with the smallest edit distance is the reference's; the first one where several are as near.

    References hold ``candidates`` and, as ``label``, the number of the right one.
    """
    pairs = zip(predictions, references, strict=True)
    return percent_correct("accuracy", [_nearest(said, ref["candidates"]) == ref["label"] for said, ref in pairs])


def _nearest(text: str, candidates: Sequence[Candidate]) -> int:
    distances = [
        min(edit_distance(text, way) for way in ([candidate] if isinstance(candidate, str) else candidate))
        for candidate in candidates
    ]
    return distances.index(min(distances))


def edit_distance(first: str, second: str) -> int:
    """Levenshtein's: the fewest insertions, deletions and replacements of a character.

    Bit-parallel, a column of the table per step: Myers, "A fast bit-vector algorithm for approximate string
    matching based on dynamic programming" (JACM 1999), in Hyyro's form for whole strings.
    """
    if not first or not second:
        return len(first) + len(second)
    places: dict[str, int] = {}
    for number, character in enumerate(first):
        places[character] = places.get(character, 0) | 1 << number
    whole, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    rising, falling, distance = whole, 0, len(first)  # where the column goes up and down by one, and its last entry
    for character in second:
        equal = places.get(character, 0)
        diagonal = (((equal & rising) + rising) ^ rising) | equal | falling
        up, down = falling | (~(diagonal | rising) & whole), rising & diagonal
        distance += bool(up & last) - bool(down & last)
        up, down = (up << 1) | 1, down << 1
        rising, falling = (down | ~(diagonal | up)) & whole, up & diagonal & whole
    return distance
