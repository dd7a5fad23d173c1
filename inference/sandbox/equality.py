"""Equality that also compares types, which OpenCompass 0.5.4 puts in place of ``==`` in MBPP's assertions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TYPE_AWARE_EQUAL = "__opencompass_type_aware_equal"
"""The name under which tests call it."""


def type_aware_equal(actual: Any, expected: Any) -> bool:
    """Whether both are of one type and equal, and so is all that they hold: True is not 1, and 1 is not 1.0."""
    if type(actual) is not type(expected):
        return False
    if isinstance(actual, (list, tuple)):
        return len(actual) == len(expected) and all(map(type_aware_equal, actual, expected))
    if isinstance(actual, Mapping):
        return _same_in_any_order(list(actual.items()), list(expected.items()))
    if isinstance(actual, (set, frozenset)):
        return _same_in_any_order(list(actual), list(expected))
    try:
        return (actual == expected) is True
    except Exception:  # a comparison that fails finds nothing equal
        return False


def _same_in_any_order(actual: Sequence[Any], expected: Sequence[Any]) -> bool:
    left = list(expected)
    for item in actual:
        found = next((number for number, other in enumerate(left) if type_aware_equal(item, other)), None)
        if found is None:
            return False
        left.pop(found)
    return not left
