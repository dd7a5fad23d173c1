"""Which beginning so many texts have in common that reading it once saves most."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from inference.alternatives import Ids, common_length


def best_prefix(texts: Sequence[Ids]) -> Ids:
    """The beginning whose length times the number of other texts that have it is greatest; empty when nothing is saved.

    Sorted texts that begin alike stand side by side, so this is the largest rectangle below the lengths that neighbours
    have in common.
    """
    ordered = sorted(texts)
    heights = [common_length([one, other]) for one, other in itertools.pairwise(ordered)]
    best = 0
    prefix: Ids = ()
    open_: list[tuple[int, int]] = []  # height and where it begins, rising
    for place, height in enumerate([*heights, 0]):
        begin = place
        while open_ and open_[-1][0] >= height:
            tall, begin = open_.pop()
            if tall * (place - begin) > best:
                best, prefix = tall * (place - begin), ordered[begin][:tall]
        open_.append((height, begin))
    return prefix
