"""Several runs over one dataset (``n``): their averages, and how often k of them are right (``k``).

Form and names are those of OpenCompass 0.5.4's ``BaseEvaluator.evaluate``. One thing differs: an evaluator
without details is averaged too, where OpenCompass keeps the last run only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inference.evaluators import Metric, Scored
from inference.pass_at_k import g_pass_at_k, mg_pass_at_k
from inference.problems import InputProblem

THRESHOLDS = (0.0, 0.25, 0.5, 0.75, 1.0)
_CORRECT = ("correct", "is_correct", "cascade_correct")
"""What details call an item's correctness, the first that is there."""


@dataclass(frozen=True)
class Runs:
    """:param n: runs over the dataset.
    :param k: how many of them are drawn, for G-Pass@k.
    """

    n: int = 1
    k: tuple[int, ...] = (1,)

    def __len__(self) -> int:
        return self.n

    def of(self, items: Sequence[Any], run: int) -> list[Any]:
        """The items of one run, whose rows stand one run after the other."""
        size = len(items) // self.n
        return list(items[run * size : (run + 1) * size])


def read_runs(dataset_cfg: dict[str, Any]) -> Runs:
    """``n`` and ``k`` of a dataset config, 1 where it says nothing.

    :raises InputProblem: they are no counts, or a k exceeds n.
    """
    n, k = dataset_cfg.get("n", 1), dataset_cfg.get("k", 1)
    counts = tuple(k) if isinstance(k, (list, tuple)) else (k,)
    if not counts or not all(isinstance(one, int) and not isinstance(one, bool) and one > 0 for one in (n, *counts)):
        raise InputProblem(f"n {n!r} and k {k!r} must be positive whole numbers (k also a list of them)")
    if max(counts) > n:
        raise InputProblem(f"k {k!r} is more than the {n} runs (n) that it is drawn from; raise n or lower k")
    return Runs(n, counts)


def averaged(runs: Sequence[Scored]) -> tuple[Metric, ...]:
    """Each metric's mean over the runs, named as OpenCompass names it."""
    if len(runs) == 1:
        return runs[0].metrics
    known = {metric.name: metric for run in reversed(runs) for metric in run.metrics}
    names = dict.fromkeys(metric.name for run in runs for metric in run.metrics)
    values = {name: [metric.value for run in runs for metric in run.metrics if metric.name == name] for name in names}
    return tuple(
        replace(known[name], name=f"{name} ({len(runs)} runs average)", value=sum(values[name]) / len(values[name]))
        for name in names
    )


def shares(runs: Sequence[Scored]) -> list[float | None]:
    """Each item's share in the first metric, averaged over its runs; None where a run gave it none."""
    columns = [list(run.scores) for run in runs]
    if not all(columns):
        return []
    return [None if None in item else sum(item) / len(item) for item in zip(*columns, strict=True)]


def stability(wanted: Runs, details: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, float]]:
    """G-Pass@k and mG-Pass@k of each item between 0 and 1; empty when nothing is drawn or nothing is right or wrong.

    :param details: of each item, what each run says of it.
    """
    known = any(_correctness(detail) is not None for item in details for detail in item)
    if not known or wanted.n == 1 or max(wanted.k) == 1:
        return []
    return [_stability(wanted, sum(int(_correctness(detail) or 0) for detail in item)) for item in details]


def _stability(wanted: Runs, correct: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for k in wanted.k:
        found |= {f"G-Pass@{k}_{share}": g_pass_at_k(wanted.n, correct, k, share) for share in THRESHOLDS}
        found[f"mG-Pass@{k}"] = mg_pass_at_k(wanted.n, correct, k)
    return found


def _correctness(detail: Mapping[str, Any]) -> Any:
    return next((detail[key] for key in _CORRECT if detail.get(key) is not None), None)


def summed(abbr: str, items: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Percentages over items, under OpenCompass's name for the subset (the abbr's first word) and for all."""
    if not items:
        return {}
    means = {name: 100 * sum(item[name] for item in items) / len(items) for name in items[0]}
    return {**{f"{abbr.split('_')[0]}/{name}": value for name, value in means.items()}, **means}
