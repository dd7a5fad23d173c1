"""What a row and a model load cost in seconds, learned from jobs that have ended.

The prior is OpenCompass's row cost (:func:`opencompass_ops.planning.partition.row_cost`) times the size of the weights:
``prior(row) = 1 ms x row_cost x (0.5 + GB)`` and ``prior(load) = 20 s + GB / 0.5 GB/s``. What was measured corrects it
by factors. Measurements of equal work (engine, GPUs, size class, dataset) are added up first; ``r`` is the logarithm of
what they took over what the prior says, and ``w = items / (items + 16)`` how far they are to be believed. Then level by
level, from what is common to much to what is particular (:data:`ROW_LEVELS`), with ``r`` taken as what earlier levels
left over::

    offset(key) = sum(w r) / (sum(w) + 1)        over all measurements with this key
    seconds(row) = prior x exp(sum of the offsets of its keys)

A key that was never seen adds nothing, and the ``1``, one measurement that says "as expected", keeps a single one from
being believed too much. The last level is the work itself: there the offset is ``w r``, so a dataset that was answered
by the same kind of model on the same kind of GPU costs what it cost then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log, log2
from statistics import median

PRIOR_ROW_SECONDS = 0.001
"""Of one unit of OpenCompass's row cost and one GB of weights; for a 7B model on one A100 the order of magnitude."""
PRIOR_LOAD_SECONDS = 20.0
PRIOR_LOAD_RATE = 0.5e9
"""Bytes of weights a second."""
HALF_BELIEVED = 16
"""Items after which a measurement counts as much as the prior."""

_GB = 1e9


@dataclass(frozen=True)
class Work:
    """A kind of work; equal ones cost the same.

    :param engine: who answers: ``native`` or ``opencompass``.
    :param device: kind of GPU as its driver calls it, ``cpu``, or "" when it is not known yet.
    :param gpus: devices of the job.
    :param weights_bytes: size of the model's weights, 0 when unknown.
    :param dataset: the dataset's abbr; "" for the load of a model.
    :param row_cost: OpenCompass's cost of one row.
    """

    engine: str
    device: str
    gpus: int
    weights_bytes: int
    dataset: str = ""
    row_cost: int = 0

    @property
    def size(self) -> int:
        """Size class: models whose weights differ by less than about a half share it."""
        return round(log2(max(self.weights_bytes, 1)))

    @property
    def hardware(self) -> tuple[str, int]:
        """Kind and number of GPUs."""
        return self.device, self.gpus


@dataclass(frozen=True)
class Measured:
    """What one part, or one load, took.

    :param items: rows answered; 1 for a load.
    :param seconds: of all of them together.
    """

    work: Work
    items: int
    seconds: float


Level = Callable[[Work], Hashable]

ROW_LEVELS: tuple[Level, ...] = (
    lambda work: work.engine,
    lambda work: (work.engine, work.hardware),
    lambda work: (work.engine, work.hardware, work.size),
    lambda work: (work.engine, work.row_cost),
    lambda work: (work.engine, work.dataset),
)
LOAD_LEVELS: tuple[Level, ...] = (lambda work: work.engine, lambda work: (work.engine, work.hardware))


def prior_row_seconds(work: Work) -> float:
    """A row's cost before anything was measured."""
    return PRIOR_ROW_SECONDS * max(work.row_cost, 1) * (0.5 + work.weights_bytes / _GB)


def prior_load_seconds(work: Work) -> float:
    """A job's start and load before anything was measured."""
    return PRIOR_LOAD_SECONDS + work.weights_bytes / PRIOR_LOAD_RATE


@dataclass(frozen=True)
class CostModel:
    """Seconds by kind of work.

    :param rows: corrections of :func:`prior_row_seconds`.
    :param loads: corrections of :func:`prior_load_seconds`.
    :param devices: by place (see :func:`opencompass_ops.planning.shards.place`), the device that jobs last got there.
    """

    rows: _Offsets
    loads: _Offsets
    devices: Mapping[str, str] = field(default_factory=dict)

    def row_seconds(self, work: Work) -> float:
        """Seconds that one row takes."""
        return prior_row_seconds(work) * exp(self.rows.of(work))

    def is_known(self, work: Work) -> bool:
        """Whether just this work was measured, on enough rows to be believed more than not."""
        return _identity(work) in self.rows.known

    def load_seconds(self, work: Work) -> float:
        """Seconds of a job in which it answers nothing: start, imports, load of the weights."""
        return prior_load_seconds(work) * exp(self.loads.of(work))


def learn(
    rows: Iterable[Measured] = (), loads: Iterable[Measured] = (), devices: Mapping[str, str] | None = None
) -> CostModel:
    """A cost model from what was measured; from nothing, the prior.

    :param rows: what parts took; those without items or time say nothing.
    :param loads: what jobs took besides answering.
    """
    of_rows = [
        _Ratio(
            work,
            log(sum(m.seconds for m in same) / sum(prior_row_seconds(m.work) * m.items for m in same)),
            sum(m.items for m in same),
        )
        for work, same in _alike(rows).items()
    ]
    of_loads = [
        # One job that met a cold cache or a slow disk must not make every load look slow.
        _Ratio(work, log(median(m.seconds / prior_load_seconds(m.work) for m in same)), HALF_BELIEVED * len(same))
        for work, same in _alike(loads).items()
    ]
    return CostModel(_fit(of_rows, ROW_LEVELS), _fit(of_loads, LOAD_LEVELS), devices or {})


@dataclass(frozen=True)
class _Ratio:
    """The logarithm of measured over expected, of all measurements of equal work."""

    work: Work
    log_ratio: float
    items: int

    @property
    def weight(self) -> float:
        return self.items / (self.items + HALF_BELIEVED)


@dataclass(frozen=True)
class _Offsets:
    levels: Sequence[Level]
    common: Sequence[Mapping[Hashable, float]]
    own: Mapping[Hashable, float]
    known: Collection[Hashable]

    def of(self, work: Work) -> float:
        shared = sum(table.get(level(work), 0.0) for level, table in zip(self.levels, self.common, strict=True))
        return shared + self.own.get(_identity(work), 0.0)


def _identity(work: Work) -> Hashable:
    return work.engine, work.hardware, work.size, work.dataset, work.row_cost


def _alike(measured: Iterable[Measured]) -> dict[Work, list[Measured]]:
    """Measurements of equal work, by the first of them."""
    found: dict[Hashable, list[Measured]] = {}
    for each in measured:
        if each.items > 0 and each.seconds > 0:
            found.setdefault(_identity(each.work), []).append(each)
    return {same[0].work: same for same in found.values()}


def _fit(ratios: Sequence[_Ratio], levels: Sequence[Level]) -> _Offsets:
    left = {ratio: ratio.log_ratio for ratio in ratios}
    tables: list[Mapping[Hashable, float]] = []
    for level in levels:
        sums: dict[Hashable, tuple[float, float]] = {}
        for ratio, residual in left.items():
            total, weight = sums.get(level(ratio.work), (0.0, 0.0))
            sums[level(ratio.work)] = (total + ratio.weight * residual, weight + ratio.weight)
        table = {key: total / (weight + 1) for key, (total, weight) in sums.items()}
        left = {ratio: residual - table[level(ratio.work)] for ratio, residual in left.items()}
        tables.append(table)
    own = {_identity(ratio.work): ratio.weight * residual for ratio, residual in left.items()}
    known = frozenset(_identity(ratio.work) for ratio in ratios if ratio.weight >= 1 / 2)
    return _Offsets(levels, tables, own, known)
