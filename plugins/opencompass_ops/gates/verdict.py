"""From comparisons to one of three outcomes; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from opencompass_ops.gates.comparison import Comparison
from opencompass_ops.gates.multiplicity import holm
from opencompass_ops.gates.power import items_needed, minimum_detectable_effect

PASS, FAIL, INCONCLUSIVE, SKIPPED = "pass", "fail", "inconclusive", "skipped"
"""The three outcomes, and that there was nothing to compare with."""


@dataclass(frozen=True)
class Judged:
    """One dataset against one reference.

    :param allowed: how much it may drop, in the metric's unit.
    :param counts: whether it decides the gate.
    :param adjusted: p-value adjusted over all that decide (Holm); its own when it does not.
    :param mde: the smallest drop that would have been found with 80 % probability, in the metric's unit.
    :param needed: items with which a drop of more than ``allowed`` would be found as surely; 0 where there is no such
        number.
    """

    comparison: Comparison
    allowed: float
    counts: bool
    outcome: str = INCONCLUSIVE
    adjusted: float = 1.0
    mde: float = 0.0
    needed: int = 0


def judge(entries: Iterable[Judged], alpha: float) -> list[Judged]:
    """Decide each comparison.

    ``fail``: the adjusted p-value is at most ``alpha`` and the drop is larger than allowed. ``pass``: the interval
    leaves no room for such a drop. ``inconclusive``: neither is shown.
    """
    judged = list(entries)
    deciding = [at for at, one in enumerate(judged) if one.counts]
    adjusted = {at: one.comparison.p_value for at, one in enumerate(judged)}
    adjusted |= dict(zip(deciding, holm([adjusted[at] for at in deciding]), strict=True))
    level = alpha / max(1, len(deciding))  # what the first of Holm's steps asks for
    return [_decide(one, adjusted[at], alpha, level) for at, one in enumerate(judged)]


def overall(outcomes: Iterable[str]) -> str:
    """``fail`` when any is, ``pass`` when all are, ``skipped`` when there is none, else ``inconclusive``."""
    known = set(outcomes)
    if FAIL in known:
        return FAIL
    return (known.pop() if len(known) == 1 else INCONCLUSIVE) if known else SKIPPED


def _decide(one: Judged, adjusted: float, alpha: float, level: float) -> Judged:
    compared = one.comparison
    if adjusted <= alpha and compared.difference < -one.allowed:
        outcome = FAIL
    elif compared.low > -one.allowed:
        outcome = PASS
    else:
        outcome = INCONCLUSIVE
    needed = items_needed(compared.stderr, compared.n, one.allowed, level) if one.allowed > 0 else 0
    mde = minimum_detectable_effect(compared.stderr, level)
    return replace(one, outcome=outcome, adjusted=adjusted, mde=mde, needed=needed)
