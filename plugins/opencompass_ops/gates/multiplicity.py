"""Many tests at once: p-values adjusted so that they can be held against one level; pure."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: the chance of any false rejection stays below the level.

    Holm (1979), Scand. J. Stat. 6, 65-70.
    """
    m = len(p_values)
    adjusted = [0.0] * m
    largest = 0.0
    for rank, at in enumerate(sorted(range(m), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (m - rank) * p_values[at]))
        adjusted[at] = largest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Benjamini and Hochberg's adjustment: among what is reported, the expected share of false ones stays below it."""
    from scipy.stats import false_discovery_control

    return [float(p) for p in false_discovery_control(p_values, method="bh")] if p_values else []
