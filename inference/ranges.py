"""``test_range`` and ``train_range``: which rows of a split are used."""

from __future__ import annotations

import random
import re
from typing import Any

from inference.problems import InputProblem

_BRACKETS = re.compile(r"\s*\[([^\[\]]*)\]\s*")
_BOUND = re.compile(r"[+-]?\d+")


def select(spec: Any, total: int) -> list[int]:
    """Row numbers that a range of OpenCompass leaves, in its order.

    A string holds one or more slices, applied one after the other (``[:100][0: 50]``). A number is a
    seeded random sample: below 1 a fraction of the rows, else their count; everything when it is not
    positive or not below the total. The seed is the count itself.

    :param spec: None, int, float or str.
    :param total: rows of the split.
    :raises InputProblem: the range cannot be read.
    """
    rows = list(range(total))
    if spec is None:
        return rows
    if isinstance(spec, str):
        for part in _slices(spec):
            rows = rows[part]
        return rows
    if isinstance(spec, (int, float)) and not isinstance(spec, bool):
        return _sample(spec, rows)
    raise InputProblem(f"range {spec!r} is neither a number nor slices such as '[:100]'")


def _sample(size: float, rows: list[int]) -> list[int]:
    if size <= 0 or size >= len(rows):
        return rows
    count = int(size * len(rows)) if size < 1 else int(size)
    random.Random(count).shuffle(rows)  # noqa: S311  # the sample must be OpenCompass's, not secret
    return rows[:count]


def _slices(spec: str) -> list[slice]:
    slices, position = [], 0
    while position < len(spec):
        match = _BRACKETS.match(spec, position)
        if match is None:
            raise InputProblem(f"range {spec!r} is not one or more slices such as '[:100]' or '[0:100:2]'")
        slices.append(_slice(match.group(1), spec))
        position = match.end()
    return slices


def _slice(text: str, spec: str) -> slice:
    bounds = [bound.strip() for bound in text.split(":")]
    well_formed = 2 <= len(bounds) <= 3 and all(not bound or _BOUND.fullmatch(bound) for bound in bounds)
    numbers = [int(bound) if bound else None for bound in bounds] if well_formed else []
    if not well_formed or (len(numbers) == 3 and numbers[2] == 0):
        raise InputProblem(f"range {spec!r}: '[{text}]' is no slice of whole numbers such as '[10:20]'")
    return slice(*numbers)
