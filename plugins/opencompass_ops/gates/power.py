"""What a comparison could have found: "no regression" means little without it; pure."""

from __future__ import annotations

from math import ceil
from statistics import NormalDist

POWER = 0.8


def minimum_detectable_effect(stderr: float, alpha: float, power: float = POWER) -> float:
    """The smallest true drop that a one-sided test at ``alpha`` finds with this probability, in the unit of ``stderr``.

    :param stderr: standard error of the difference.
    """
    normal = NormalDist()
    return (normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)) * stderr


def items_needed(stderr: float, n: int, effect: float, alpha: float, power: float = POWER) -> int:
    """How many items would find a drop of ``effect`` with this probability, if they vary as these ``n`` do.

    :raises ValueError: the effect is not positive.
    """
    if effect <= 0:
        raise ValueError(f"an effect of {effect} cannot be looked for; give a positive one")
    return max(1, ceil(n * (minimum_detectable_effect(stderr, alpha, power) / effect) ** 2))
