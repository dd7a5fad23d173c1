"""Scores of a run with their error bars: what the database, the plots and the XCom are made of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from opencompass_ops.contract.plan import Plan
from opencompass_ops.results import metrics
from opencompass_ops.results.findings import PairFinding, Sample
from opencompass_ops.results.statistics import Estimate, estimate

SCALES = (100.0, 1.0)
"""Evaluators report percentages (OpenCompass's accuracy) or fractions."""

ROUNDING = 0.00005
"""Relative to the scale: some evaluators round percentages to two decimals."""


@dataclass(frozen=True)
class Score:
    """One metric of model x dataset.

    :param primary: whether it is the pair's first metric, the one that is plotted and compared.
    :param stderr: standard error in the metric's unit; None when the samples do not explain the value.
    :param low: lower end of the 95 % interval in the metric's unit.
    :param high: upper end.
    :param n: samples scored.
    """

    model: str
    dataset: str
    metric: str
    value: float
    primary: bool
    n: int
    stderr: float | None = None
    low: float | None = None
    high: float | None = None
    step: int | None = None
    version: str = ""
    mode: str = ""


def scores_of(plan: Plan, findings: Sequence[PairFinding]) -> list[Score]:
    """Every finite metric of every usable result, in the plan's order."""
    return [score for finding in findings for score in scores_of_pair(plan, finding)]


def scores_of_pair(plan: Plan, finding: PairFinding) -> list[Score]:
    """The finite metrics of one pair."""
    if finding.result.problem:
        return []
    pair = finding.pair
    steps = {model.abbr: model.step for model in plan.models}
    dataset = next((dataset for dataset in plan.datasets if dataset.abbr == pair.dataset), None)
    scores = measure(pair.model, pair.dataset, finding.result.metrics, finding.result.samples, pair.rows)
    version, mode = (dataset.version, dataset.mode) if dataset else ("", "")
    return [replace(score, step=steps.get(pair.model), version=version, mode=mode) for score in scores]


def measure(
    model: str, dataset: str, result: Mapping[str, Any], samples: Sequence[Sample], rows: int
) -> Iterator[Score]:
    """The finite metrics of a result, the first one marked as primary.

    Samples carry one score each, so the error bar belongs to the first metric whose value is their mean.

    :param result: OpenCompass's, without details.
    :param rows: how many were scored, where there are no samples to tell.
    """
    numbers = [sample.score for sample in samples]
    known = [number for number in numbers if number is not None]
    spread = estimate(known) if known and len(known) == len(numbers) else None
    is_first = True
    for metric, value in metrics.pick(result).items():
        if not math.isfinite(value):
            continue
        scale = _scale(value, spread)
        bars = _bars(spread, scale) if spread is not None and scale is not None else (None, None, None)
        spread = None if scale is not None else spread
        yield Score(model, dataset, metric, float(value), is_first, len(numbers) or rows, *bars)
        is_first = False


def _scale(value: float, spread: Estimate | None) -> float | None:
    if spread is None:
        return None
    return next((scale for scale in SCALES if abs(value / scale - spread.mean) <= ROUNDING + 1e-9), None)


def _bars(spread: Estimate, scale: float) -> tuple[float | None, float | None, float | None]:
    ends = (spread.stderr, spread.low, spread.high)
    stderr, low, high = (None if end is None else end * scale for end in ends)
    return stderr, low, high
