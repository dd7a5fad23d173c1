"""How sure a score is, from its per-sample scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean and how far it may be off, all in the unit of the scores.

    :param stderr: standard error of the mean, None for fewer than two scores.
    :param low: lower end of the 95 % interval, None when there is none.
    :param high: upper end of the 95 % interval.
    """

    mean: float
    stderr: float | None
    low: float | None
    high: float | None
    n: int


def standard_error(scores: Sequence[float]) -> float | None:
    """Standard error of the mean: sample standard deviation (n - 1) over the square root of n.

    Miller, "Adding Error Bars to Evals" (arXiv 2411.00640), equation 1, for independent samples.

    :param scores: one number per sample.
    :returns: None for fewer than two scores, which say nothing about their spread.
    """
    if len(scores) < 2:
        return None
    mean = fmean(scores)
    return sqrt(sum((score - mean) ** 2 for score in scores) / (len(scores) - 1) / len(scores))


def wilson_interval(successes: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval for a proportion that stays honest at 0 and at 1, where the standard error is 0.

    Wilson (1927), J. Am. Stat. Assoc. 22, 209-212, without continuity correction.

    :param successes: how many of ``n`` were right.
    :param confidence: between 0 and 1.
    :returns: lower and upper end, as fractions.
    :raises ValueError: ``n`` is not positive or ``successes`` is outside ``0..n``.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"{successes} right out of {n} is no proportion")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    scale = 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z / scale * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return low, high


def estimate(scores: Sequence[float]) -> Estimate | None:
    """Mean, standard error and 95 % interval: Wilson's for right/wrong scores, else the normal one.

    :param scores: one number per sample.
    :returns: None without scores.
    """
    if not scores:
        return None
    mean, stderr, n = fmean(scores), standard_error(scores), len(scores)
    if all(score in (0, 1) for score in scores):
        low, high = wilson_interval(round(sum(scores)), n)
        return Estimate(mean, stderr, low, high, n)
    if stderr is None:
        return Estimate(mean, None, None, None, n)
    half = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2) * stderr
    return Estimate(mean, stderr, mean - half, mean + half, n)
