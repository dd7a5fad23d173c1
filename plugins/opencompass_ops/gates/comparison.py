"""Two checkpoints on the same items: how different they are, and how sure that is; pure.

A difference is candidate minus reference. All tests ask one question, whether the candidate is worse, so a p-value is
one-sided; :func:`mcnemar_exact` has the usual two-sided one too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, fmean

from opencompass_ops.results.statistics import standard_error

RESAMPLES = 9_999
SEED = 20261121
"""The bootstrap draws the same resamples every time: a gate that is asked again says the same."""

MCNEMAR, BOOTSTRAP, UNPAIRED = "McNemar exact", "paired bootstrap", "unpaired"
_BATCH = 256


@dataclass(frozen=True)
class Comparison:
    """What the items say of candidate and reference, in the unit of the scores that were compared.

    :param difference: of the means; above zero the candidate is better.
    :param low: lower end of the two-sided interval of the difference.
    :param high: upper end.
    :param stderr: standard error of the difference.
    :param p_value: of a difference as bad by chance alone, the candidate being no worse.
    :param n: items compared.
    :param lost: items that the reference has right, or scores higher, and the candidate does not.
    :param gained: the other way round.
    :param method: the test.
    """

    difference: float
    low: float
    high: float
    stderr: float
    p_value: float
    n: int
    lost: int
    gained: int
    method: str

    def scaled(self, scale: float) -> Comparison:
        """The same in another unit, e.g. percent."""
        ends = (self.difference * scale, self.low * scale, self.high * scale, self.stderr * scale)
        return Comparison(*ends, self.p_value, self.n, self.lost, self.gained, self.method)


def mcnemar_exact(lost: int, gained: int, alternative: str = "two-sided") -> float:
    """McNemar's exact test: among items that changed, losing is as likely as gaining.

    :param alternative: ``two-sided``, or ``worse`` for whether more were lost.
    """
    from scipy.stats import binomtest

    if lost + gained == 0:
        return 1.0
    side = "greater" if alternative == "worse" else "two-sided"
    return float(binomtest(lost, lost + gained, 0.5, alternative=side).pvalue)


def paired(
    reference: Sequence[float], candidate: Sequence[float], *, lower_is_better: bool = False, confidence: float = 0.95
) -> Comparison:
    """Compare item by item: McNemar's exact test for right and wrong, else the bootstrap of the mean difference.

    :param reference: one score per item.
    :param candidate: of the same items in the same order.
    :param confidence: of the two-sided interval.
    :raises ValueError: the lists differ in length or are empty.
    """
    if len(reference) != len(candidate) or not reference:
        raise ValueError(f"{len(candidate)} scores cannot be compared item by item with {len(reference)}")
    sign = -1.0 if lower_is_better else 1.0
    changes = [sign * (new - old) for old, new in zip(reference, candidate, strict=True)]
    lost, gained = sum(change < 0 for change in changes), sum(change > 0 for change in changes)
    if all(score in (0, 1) for score in (*reference, *candidate)):
        return _of_counts(lost, gained, len(changes), confidence)
    return _of_changes(changes, lost, gained, confidence)


def unpaired(
    reference: tuple[float, float], candidate: tuple[float, float], n: int, *, confidence: float = 0.95
) -> Comparison:
    """Compare two scores of which only value and standard error are known, better being higher.

    :param n: samples of the candidate.
    """
    difference, stderr = candidate[0] - reference[0], sqrt(reference[1] ** 2 + candidate[1] ** 2)
    half = _z(confidence) * stderr
    p_value = NormalDist().cdf(difference / stderr) if stderr else float(difference >= 0)
    return Comparison(difference, difference - half, difference + half, stderr, p_value, n, 0, 0, UNPAIRED)


def _of_counts(lost: int, gained: int, n: int, confidence: float) -> Comparison:
    """The interval is Bonett and Price's (2012, J. Educ. Behav. Stat. 37, 479-488): one item is added to each kind of
    change, so that few or no changes among few items are no proof that there are none.
    """
    worse, better = (lost + 1) / (n + 2), (gained + 1) / (n + 2)
    stderr = sqrt((worse + better - (better - worse) ** 2) / (n + 2))
    half, centre = _z(confidence) * stderr, better - worse
    low, high = max(-1.0, centre - half), min(1.0, centre + half)
    p_value = mcnemar_exact(lost, gained, "worse")
    return Comparison((gained - lost) / n, low, high, stderr, p_value, n, lost, gained, MCNEMAR)


def _of_changes(changes: Sequence[float], lost: int, gained: int, confidence: float) -> Comparison:
    """Percentile interval; the p-value is the share of resampled means, moved to zero, that are as bad."""
    import numpy as np
    from scipy.stats import bootstrap

    n, difference, stderr = len(changes), fmean(changes), standard_error(changes) or 0.0
    if lost + gained == 0 or n == 1:
        p_value = 1.0 if difference >= 0 or n == 1 else 0.0
        return Comparison(difference, difference, difference, stderr, p_value, n, lost, gained, BOOTSTRAP)
    drawn = bootstrap(
        (np.asarray(changes),),
        np.mean,
        n_resamples=RESAMPLES,
        batch=_BATCH,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(SEED),
    )
    as_bad = int((drawn.bootstrap_distribution - difference <= difference).sum())
    low, high = (float(end) for end in drawn.confidence_interval)
    p_value = (as_bad + 1) / (RESAMPLES + 1)
    return Comparison(difference, low, high, stderr, p_value, n, lost, gained, BOOTSTRAP)


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf(0.5 + confidence / 2)
