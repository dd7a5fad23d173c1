"""Versions of a series' checkpoints, as listings and promotions name them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NAMED = re.compile(r"(?:(.+)@)?0\.0\.([1-9]\d*)")


def version(number: int) -> str:
    """The number of a checkpoint within its series as people read it: ``0.0.7``."""
    return f"0.0.{number}"


def named_version(name: str) -> tuple[str, str] | None:
    """Series and version that ``SERIES@0.0.7`` names; the series is "" for a version alone, and no version is None."""
    found = _NAMED.fullmatch(name)
    return (found[1] or "", version(int(found[2]))) if found else None


class Versions:
    """Which version each checkpoint has.

    :param rows: series, identity of the weights as the series' place tells it, step and number of each.
    """

    def __init__(self, rows: Iterable[tuple[str, str, int, int]]) -> None:
        self._by_weights: dict[tuple[str, str], int] = {}
        self._by_step: dict[tuple[str, int], set[int]] = {}
        for series, digest, step, number in rows:
            self._by_weights[series, digest] = number
            self._by_step.setdefault((series, step), set()).add(number)

    def of(self, series: str, weights_id: str, step: int | None) -> str:
        """The version; "" for weights that no series has evaluated.

        Object stores and hubs tell weights otherwise than a run does; there the step decides, unless two have it.
        """
        number = self._by_weights.get((series, weights_id))
        if number is None and step is not None:
            of_step = self._by_step.get((series, step), set())
            number = next(iter(of_step)) if len(of_step) == 1 else None
        return "" if number is None else version(number)

    def known(self, series: str) -> list[str]:
        """Every version of a series, the oldest first."""
        return [
            version(number) for number in sorted({n for (name, _), n in self._by_weights.items() if name == series})
        ]
