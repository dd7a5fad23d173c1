"""Series whose truth is known: real curves made monotone, with the noise that they state, and drops put into them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.optimize import isotonic_regression

from opencompass_ops.gates.detector import Score, SeriesDetector
from opencompass_ops.gates.table import Scores, SeriesKey

HELD_OUT = "160m"
"""No series of a model whose name holds this is ever calibrated on: the replay of pythia-160m shall be a test."""

BEFORE = 3
"""A drop comes after at least so many checkpoints."""

WITHIN = 2
"""A drop is found when it is an alarm at one of so many checkpoints, its own the first."""


ORACLE_LEVEL = 0.01
"""False alarms per checkpoint of :func:`found_by_oracle`."""


@dataclass(frozen=True)
class Curve:
    """A monotone curve and its noise.

    :param steps: of the checkpoints.
    :param truth: expected scores, never falling.
    :param stderr: of each score.
    """

    steps: tuple[int, ...]
    truth: np.ndarray
    stderr: np.ndarray


@dataclass(frozen=True)
class Found:
    """How many drops were found, and of how many."""

    found: int
    drops: int

    @property
    def share(self) -> float:
        """Between 0 and 1."""
        return self.found / self.drops


def calibration_series(series: Scores) -> dict[SeriesKey, list[Score]]:
    """The accuracy series that thresholds may be set by."""
    return {key: some for key, some in series.items() if HELD_OUT not in key.model and key.metric == "acc"}


def curve_of(scores: Sequence[Score]) -> Curve:
    """The monotone curve nearest to a series, weighted by its noise."""
    values = np.array([one.value for one in scores])
    stderr = np.array([one.stderr or 0.0 for one in scores])
    weights = 1 / np.maximum(stderr, 1e-4) ** 2
    return Curve(tuple(one.step for one in scores), isotonic_regression(values, weights=weights).x, stderr)


def alarms_at(curve: Curve, values: np.ndarray) -> list[int]:
    """Positions of the checkpoints at which the detector raises an alarm."""
    detector = SeriesDetector()
    scores = (Score(*one) for one in zip(curve.steps, values.tolist(), curve.stderr.tolist(), strict=True))
    findings = [detector.observe(score) for score in scores]
    return [at for at, finding in enumerate(findings) if finding is not None and finding.is_alarm]


def false_alarms(curves: Sequence[Curve], draws: int, seed: int) -> tuple[int, int]:
    """Alarms on curves that never fall, and the checkpoints looked at.

    :param draws: series, each a curve chosen at random with fresh noise.
    """
    rng = np.random.default_rng(seed)
    alarms = checkpoints = 0
    for _ in range(draws):
        curve = curves[int(rng.integers(len(curves)))]
        alarms += len(alarms_at(curve, _noisy(curve, rng)))
        checkpoints += len(curve.steps)
    return alarms, checkpoints


def drops_found(
    curves: Sequence[Curve],
    draws: int,
    seed: int,
    *,
    size: float = 3.0,
    from_level: bool = True,
    begin: float = 0.0,
    within: int = WITHIN,
) -> Found:
    """Drops that last, put at random places into random curves, and how many of them were found in time.

    :param size: in standard errors of the score.
    :param from_level: whether scores stay so far below the level that was reached, else so far below the curve, which
        may go on rising; a drop in a steep part is then no fall of the scores at all.
    :param begin: only in the part of a series behind this share of it.
    :param within: checkpoints in which the alarm must come, the drop's own included.
    """
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(draws):
        curve, at = _place(curves, rng, begin)
        values = _noisy(curve, rng)
        values[at:] -= size * curve.stderr[at]
        if from_level:
            values[at:] -= curve.truth[at:] - curve.truth[at - 1]
        found += any(at <= alarm < at + within for alarm in alarms_at(curve, values))
    return Found(found, draws)


def found_by_oracle(curves: Sequence[Curve], draws: int, seed: int, *, sees_ahead: bool, size: float = 3.0) -> Found:
    """Drops below a curve that goes on rising, as found by who knows more than any detector can.

    It knows the noise and, without error, the curve up to the checkpoint before the drop. An alarm is two checkpoints
    in a row whose mean is so far below what it expects that noise alone does it once in 100 checkpoints.

    :param sees_ahead: whether it knows the curve beyond that too, else it expects that nothing changes any more.
    """
    rng = np.random.default_rng(seed)
    limit = -NormalDist().inv_cdf(1 - ORACLE_LEVEL)
    found = 0
    for _ in range(draws):
        curve, at = _place(curves, rng, 0.0)
        around = slice(at - 1, at + WITHIN)
        drop = np.array([0.0, *[size * curve.stderr[at]] * WITHIN])
        rise = np.zeros(1 + WITHIN) if sees_ahead else curve.truth[around] - curve.truth[at - 1]
        z = rng.standard_normal(1 + WITHIN) + (rise - drop) / np.maximum(curve.stderr[around], 1e-9)
        found += bool(((z[:-1] + z[1:]) / math.sqrt(2) < limit).any())
    return Found(found, draws)


def _place(curves: Sequence[Curve], rng: np.random.Generator, begin: float) -> tuple[Curve, int]:
    """A curve and where to drop it: after :data:`BEFORE` scores, before the last, where noise is stated."""
    while True:
        curve = curves[int(rng.integers(len(curves)))]
        first = max(BEFORE, int(begin * len(curve.steps)))
        places = [at for at in range(first, len(curve.steps) - 1) if curve.stderr[at] > 0]
        if places:
            return curve, int(rng.choice(places))


def _noisy(curve: Curve, rng: np.random.Generator) -> np.ndarray:
    noisy: np.ndarray = curve.truth + rng.standard_normal(len(curve.truth)) * curve.stderr
    return noisy
