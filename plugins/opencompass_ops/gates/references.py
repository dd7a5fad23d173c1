"""Which scores a checkpoint is compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from opencompass_ops.errors import InputError
from opencompass_ops.gates.beside import loses_by_rising
from opencompass_ops.gates.policy import BASELINE, BEST, PREVIOUS, GatePolicy
from opencompass_ops.instance import absolute
from opencompass_ops.results.metrics import order
from opencompass_ops.results.rows import ScoreRow
from opencompass_ops.results.store import Store
from opencompass_ops.results.versions import Versions, named_version

MOST_LISTED = 12
"""Versions that a message names one by one."""


@dataclass(frozen=True)
class Reference:
    """One earlier score.

    :param kinds: what it is to the candidate: some of baseline, previous, best.
    """

    kinds: tuple[str, ...]
    row: ScoreRow


def references_of(
    candidate: ScoreRow, before: Sequence[ScoreRow], baseline: Sequence[ScoreRow], policy: GatePolicy
) -> list[Reference]:
    """The scores that a candidate's is compared with, each once; empty when there is none.

    :param before: see :func:`earlier`.
    :param baseline: comparable scores of the baseline, oldest first; the last one counts.
    """
    found: dict[str, ScoreRow] = {}
    if baseline and BASELINE in policy.against:
        found[BASELINE] = baseline[-1]
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


def earlier(candidate: ScoreRow, siblings: Iterable[ScoreRow]) -> list[ScoreRow]:
    """The siblings at smaller steps, by step."""
    return [row for row in siblings if (row.step or 0) < (candidate.step or 0)]


def siblings_of(store: Store, candidate: ScoreRow) -> list[ScoreRow]:
    """The comparable scores of the candidate's series at other steps, by step, the newest of each.

    Comparable is the same dataset in the same version and mode, the same metric, over as many samples.
    """
    if candidate.step is None or not candidate.series:
        return []
    rows = store.history(series=candidate.series, dataset=candidate.dataset, metric=candidate.metric)
    newest = {row.step: row for row in sorted(rows, key=lambda row: row.created_at) if comparable(row, candidate)}
    return [newest[step] for step in sorted(step for step in newest if step is not None and step != candidate.step)]


def baselines_of(store: Store, candidates: Iterable[ScoreRow], name: str) -> dict[ScoreRow, list[ScoreRow]]:
    """By candidate the comparable scores of a baseline, oldest first.

    :param name: as :func:`named` takes it; a version alone is of the candidate's series; "" for no baseline.
    """
    asked, versions = named_version(name), cache(store.versions)
    found: dict[ScoreRow, list[ScoreRow]] = {}
    for one in candidates:
        whose = f"{one.series}@{asked[1]}" if asked and not asked[0] else name
        rows = named(store, whose, dataset=one.dataset, metric=one.metric, versions=versions) if whose else []
        found[one] = [row for row in rows if comparable(row, one)]
    return found


def named(
    store: Store,
    name: str,
    *,
    dataset: str | None = None,
    metric: str | None = None,
    versions: Callable[[str], Versions] | None = None,
) -> list[ScoreRow]:
    """The scores of a checkpoint, a model, or a run directory, oldest first.

    :param name: ``SERIES@VERSION``, the model's name in tables, or a path.
    :param versions: of a series, in place of asking the store.
    """
    asked = named_version(name)
    if asked:
        known = (versions or store.versions)(asked[0])
        rows = store.history(series=asked[0], dataset=dataset, metric=metric)
        rows = [row for row in rows if known.of(row.series, row.weights_id, row.step) == asked[1]]
    else:
        rows = store.history(model=name, dataset=dataset, metric=metric)
        rows = rows or store.history(run_dir=str(absolute(name)), dataset=dataset, metric=metric)
    return sorted(rows, key=lambda row: row.created_at)


def check_baseline(store: Store, name: str, series: str) -> None:
    """Whether a version that is named as baseline exists; what is no version may be evaluated later.

    :param name: as :func:`named` takes it, or a version alone; "" for no baseline.
    :param series: whose checkpoint is to be compared, "" when that is not said.
    :raises InputError: there is no such version; names those that exist.
    """
    asked = named_version(name)
    if asked is None:
        return
    whose, wanted = asked[0] or series, asked[1]
    if not whose:
        raise InputError(f"{name!r} is a version within a series; say of which: SERIES@{name}")
    known = store.versions(whose).known(whose)
    if wanted not in known:
        raise InputError(f"series {whose!r} has no version {wanted}; there are: {_listed(known)}")


def _listed(versions: Sequence[str]) -> str:
    shown = versions if len(versions) <= MOST_LISTED else [*versions[:3], "...", *versions[-3:]]
    return ", ".join(shown) or "none"


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
