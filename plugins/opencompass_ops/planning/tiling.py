"""Predictions that exist already: which of them together answer a dataset."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class KnownPart:
    """A prediction file that some run has written.

    :param start: first selected row; rows are ``start..stop-1`` of ``total``.
    :param fingerprint: of the part.
    :param path: where the file lies; its manifest lies beside it.
    """

    start: int
    stop: int
    total: int
    fingerprint: str
    path: str


def find_tiling(parts: Iterable[KnownPart], total: int) -> tuple[KnownPart, ...] | None:
    """The fewest parts that cover ``0..total`` without gap or overlap; None when none do.

    Equal inputs in another order give the same answer.
    """
    best: dict[int, tuple[KnownPart, ...]] = {0: ()}
    for part in sorted(parts, key=lambda part: (part.start, part.stop, part.path)):
        before = best.get(part.start)
        if before is None or part.total != total or not part.start < part.stop <= total:
            continue
        reached = best.get(part.stop)
        if reached is None or len(before) + 1 < len(reached):
            best[part.stop] = (*before, part)
    return best.get(total)


def best_cover(parts: Iterable[KnownPart]) -> tuple[KnownPart, ...]:
    """Of all parts that do not overlap those that hold most rows, and of such the fewest; in order.

    Equal inputs in another order give the same answer.
    """
    ordered = sorted(parts, key=lambda part: (part.stop, part.start, part.path))
    stops = [part.stop for part in ordered]
    best: list[tuple[int, int, tuple[KnownPart, ...]]] = [(0, 0, ())]
    for number, part in enumerate(ordered):
        rows, count, before = best[bisect_right(stops, part.start, hi=number)]
        taken = (rows + part.stop - part.start, count - 1, (*before, part))
        best.append(max(best[-1], taken, key=lambda cover: cover[:2]))
    return best[-1][2]


def gaps(parts: Iterable[KnownPart], total: int) -> list[tuple[int, int]]:
    """The row ranges of ``0..total`` that no part covers."""
    found, reached = [], 0
    for start, stop in sorted((part.start, part.stop) for part in parts):
        if start > reached:
            found.append((reached, start))
        reached = max(reached, stop)
    return found + ([(reached, total)] if reached < total else [])
