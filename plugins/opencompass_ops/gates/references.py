"""Which scores a checkpoint is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from opencompass_ops.gates.beside import loses_by_rising
from opencompass_ops.gates.policy import BASELINE, BEST, PREVIOUS, GatePolicy
from opencompass_ops.instance import absolute
from opencompass_ops.results.metrics import order
from opencompass_ops.results.rows import ScoreRow
from opencompass_ops.results.store import Store


@dataclass(frozen=True)
class Reference:
    """One earlier score.

    :param kinds: what it is to the candidate: some of baseline, previous, best.
    """

    kinds: tuple[str, ...]
    row: ScoreRow


def references_of(store: Store, candidate: ScoreRow, policy: GatePolicy) -> list[Reference]:
    """The scores that a candidate's is compared with, each once; empty when there is none.

    Comparable is the same dataset in the same version and mode, the same metric, over as many samples.
    """
    before = earlier(store, candidate)
    found: dict[str, ScoreRow] = {}
    if policy.baseline and BASELINE in policy.against:
        rows = [row for row in named(store, policy.baseline) if comparable(row, candidate)]
        found |= {BASELINE: rows[-1]} if rows else {}
    if before and PREVIOUS in policy.against:
        found[PREVIOUS] = before[-1]
    if before and BEST in policy.against:
        # the first of equals: that was reached then
        pick = min if loses_by_rising(candidate) else max
        found[BEST] = pick(before, key=lambda row: row.value)
    distinct = {(row.run_dir, row.model): row for row in found.values()}
    return [
        Reference(tuple(kind for kind, one in found.items() if (one.run_dir, one.model) == key), row)
        for key, row in distinct.items()
        if key != (candidate.run_dir, candidate.model)
    ]


def earlier(store: Store, candidate: ScoreRow) -> list[ScoreRow]:
    """The comparable scores of the candidate's series at smaller steps, by step, the newest of each."""
    return [row for row in siblings(store, candidate) if (row.step or 0) < (candidate.step or 0)]


def siblings(store: Store, candidate: ScoreRow) -> list[ScoreRow]:
    """The comparable scores of the candidate's series at other steps, by step, the newest of each."""
    if candidate.step is None or not candidate.series:
        return []
    rows = store.history(series=candidate.series, dataset=candidate.dataset, metric=candidate.metric)
    newest = {row.step: row for row in sorted(rows, key=lambda row: row.created_at) if comparable(row, candidate)}
    return [newest[step] for step in sorted(step for step in newest if step is not None and step != candidate.step)]


def named(store: Store, name: str) -> list[ScoreRow]:
    """The scores of a model, or of a run directory, oldest first.

    :param name: the model's name in tables, or a path.
    """
    rows = [row for row in store.history(prefix=name) if row.model == name]
    if not rows:
        folder = str(absolute(name))
        rows = [row for row in store.history() if row.run_dir == folder]
    return sorted(rows, key=lambda row: row.created_at)


def first_metrics(rows: Iterable[ScoreRow]) -> list[ScoreRow]:
    """Of each model and dataset in each run the row of the metric that is compared.

    Summary groups are left out: they have no items, and are made of scores that are compared themselves.
    """
    pairs: dict[tuple[str, str, str], list[ScoreRow]] = {}
    for row in rows:
        if row.is_group:
            continue
        pairs.setdefault((row.run_dir, row.model, row.dataset), []).append(row)
    return [_first(some) for some in pairs.values()]


def _first(rows: Sequence[ScoreRow]) -> ScoreRow:
    by_name = {row.metric: row for row in rows}
    return by_name[order(by_name)[0]]


def comparable(row: ScoreRow, candidate: ScoreRow) -> bool:
    """Whether both score the same dataset in the same version and mode by the same metric over as many samples."""
    keys = ("dataset", "version", "mode", "metric", "n")
    return all(getattr(row, key) == getattr(candidate, key) for key in keys)
