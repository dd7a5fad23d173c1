"""When a series of scores has fallen, told one checkpoint at a time from the past alone.

At each checkpoint the mean of the newest 1, 2, 4 or 8 scores is compared with that of the 1 to 8 scores before them.
While scores rise or stay, whatever the shape of the curve, each such difference is at most noise, so no model of the
curve is needed. What is large enough is an alarm; the level then begins anew where the fall began, so that one fall is
told once. The constants are set by ``benchmarks/detector.py``, without any series of pythia-160m; docs/gates.md has the
figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

BEFORE = 8
"""At most so many scores make the level that the newest ones are compared with."""

SHARES = {1: 1 / 9, 2: 6 / 9, 4: 1 / 9, 8: 1 / 9}
"""By the number of newest scores, their share of the false alarms: most for a drop that a second score confirms."""

CALIBRATION = 0.87
"""False alarms per checkpoint over the tail of the normal distribution, at an alarm's level; measured."""

LEVEL = 0.01
"""An alarm is a p-value of at most this: one false alarm in 100 checkpoints."""

LEARNED = 6
"""Scores without standard error are judged when so many of them have told how much they vary."""


@dataclass(frozen=True)
class Score:
    """One score of a series.

    :param stderr: its standard error in the same unit, None when nobody knows it.
    """

    step: int
    value: float
    stderr: float | None = None


@dataclass(frozen=True)
class Finding:
    """What the newest score says.

    :param since: the step at which the fall began.
    :param reference_step: the last step before that.
    :param reference_value: the mean of the scores that end there.
    :param p_value: so many alarms as strong are expected per checkpoint of a series that does not fall.
    """

    step: int
    value: float
    since: int
    reference_step: int
    reference_value: float
    p_value: float

    @property
    def is_alarm(self) -> bool:
        """Whether somebody should be told."""
        return self.p_value <= LEVEL


class SeriesDetector:
    """Watches one series; scores come in the order of their steps.

    :param lower_is_better: the metric is a loss: it gets worse by rising.
    """

    def __init__(self, *, lower_is_better: bool = False) -> None:
        self._sign = -1.0 if lower_is_better else 1.0
        self._scores: list[Score] = []
        self._begin = 0

    def observe(self, score: Score) -> Finding | None:
        """Judge the next score.

        :returns: the strongest comparison, an alarm or not; None when there is nothing to compare with.
        :raises ValueError: the step is not beyond the last one, or a number is not finite or negative noise.
        """
        if self._scores and score.step <= self._scores[-1].step:
            raise ValueError(f"step {score.step} comes after step {self._scores[-1].step}; sort the scores by step")
        if not math.isfinite(score.value) or not (score.stderr is None or 0 <= score.stderr < math.inf):
            raise ValueError(f"step {score.step}: {score.value} ± {score.stderr} is no score")
        self._scores.append(score)
        compared = min(self._comparisons(), default=None)
        if compared is None:
            return None
        p_value, change, begin = compared
        before = self._scores[begin:change]
        finding = Finding(
            step=score.step,
            value=score.value,
            since=self._scores[change].step,
            reference_step=before[-1].step,
            reference_value=fmean(one.value for one in before),
            p_value=p_value,
        )
        if finding.is_alarm:
            self._begin = change
        return finding

    def _comparisons(self) -> Iterator[tuple[float, int, int]]:
        """p-value, where the newest scores begin, and where those before them begin."""
        end = len(self._scores)
        noise, freedom = self._noise()
        if noise is None:
            return
        for newest, share in SHARES.items():
            change = end - newest
            for begin in range(change - 1, max(self._begin, change - BEFORE) - 1, -1):
                drop, variance = self._drop(begin, change, noise)
                yield min(1.0, CALIBRATION / share * _tail(drop, variance, freedom)), change, begin

    def _drop(self, begin: int, change: int, noise: float) -> tuple[float, float]:
        """How much lower the newest scores are than those before them, and the variance of that."""
        before, newest = self._scores[begin:change], self._scores[change:]
        drop = fmean(one.value for one in before) - fmean(one.value for one in newest)
        return self._sign * drop, _variance(before, noise) + _variance(newest, noise)

    def _noise(self) -> tuple[float | None, float]:
        """Standard error of scores that state none, and its degrees of freedom; None while it cannot be told.

        It is learned from how far past scores were from the mean of their neighbours, which a rising curve hardly
        enlarges; neighbours share scores, so there are about half as many degrees of freedom as differences.
        """
        if all(one.stderr is not None for one in self._scores):
            return 0.0, math.inf
        past = [one.value for one in self._scores[:-1]]
        bends = [middle - (left + right) / 2 for left, middle, right in zip(past, past[1:], past[2:], strict=False)]
        if len(past) < LEARNED:
            return None, 0.0
        return math.sqrt(fmean(bend * bend for bend in bends) / 1.5), len(bends) / 2


def _variance(scores: Sequence[Score], noise: float) -> float:
    return sum((noise if one.stderr is None else one.stderr) ** 2 for one in scores) / len(scores) ** 2


def _tail(drop: float, variance: float, freedom: float) -> float:
    """How likely noise alone makes such a drop."""
    if variance <= 0:
        return 0.0 if drop > 0 else 1.0
    z = drop / math.sqrt(variance)
    if math.isinf(freedom):
        return 0.5 * math.erfc(z / math.sqrt(2))
    from scipy.stats import t

    return float(t.sf(z, freedom))
