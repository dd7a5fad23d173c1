"""A run on the simulated cluster: what its jobs take, when the last one ends, and what nobody could undercut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from typing import Protocol

from benchmarks.simulated.truth import Dataset, Model
from opencompass_ops.planning.costs import Measured, Work
from opencompass_ops.planning.partition import Piece, row_cost

Job = tuple[str, tuple[Piece, ...]]
"""Name of the model, and the parts."""


class Costs(Protocol):
    """What everything takes: generated, or recorded."""

    def row_seconds(self, model: Model, dataset: Dataset) -> float:
        """Of one row, on average over the dataset."""
        ...

    def part_seconds(self, model: Model, dataset: Dataset, start: int, stop: int) -> float:
        """Of rows ``start`` to ``stop`` (exclusive)."""
        ...

    def load_seconds(self, model: Model) -> float:
        """Of one load."""
        ...

    def node(self, job: object) -> float:
        """What the node makes of a job's time."""
        ...


@dataclass(frozen=True)
class Ran:
    """How a run went.

    :param makespan: seconds from its start to the end of the last job.
    :param rows: what parts took, :param loads: what jobs took besides, for the planner to learn from.
    """

    jobs: int
    makespan: float
    rows: tuple[Measured, ...]
    loads: tuple[Measured, ...]


def work_of(model: Model, dataset: Dataset | None = None) -> Work:
    """The kind of work, as the planner names it."""
    load = Work("native", model.device, 1, model.weights_bytes)
    if dataset is None:
        return load
    return Work("native", model.device, 1, model.weights_bytes, dataset.abbr, row_cost(dataset.config))


def run(truth: Costs, jobs: Sequence[Job], models: Sequence[Model], data: Sequence[Dataset], workers: int) -> Ran:
    """Give each job to the first worker that is free, in their order."""
    by_name = {model.name: model for model in models}
    datasets = {dataset.abbr: dataset for dataset in data}
    busy, rows, loads = [0.0] * workers, [], []
    heapify(busy)
    for number, (name, pieces) in enumerate(jobs):
        model, node = by_name[name], truth.node(number)
        load = node * truth.load_seconds(model)
        loads.append(Measured(work_of(model), 1, load))
        for piece in pieces:
            dataset = datasets[piece.abbr]
            seconds = node * truth.part_seconds(model, dataset, piece.start, piece.stop)
            rows.append(Measured(work_of(model, dataset), piece.stop - piece.start, seconds))
            load += seconds
        heapreplace(busy, busy[0] + load)
    return Ran(len(jobs), max(busy), tuple(rows), tuple(loads))


def lower_bound(work: float, loads: Mapping[str, float], workers: int) -> float:
    """Seconds that no plan undercuts, for work that can be cut anywhere.

    Every model is loaded once, and every worker that does anything loads once; so ``u`` busy workers share the work,
    the loads of all models, and ``u - models`` further ones of at least the smallest. The bound is the best ``u``.

    :param work: seconds of answering.
    :param loads: seconds of one load by model.
    """
    total, least = work + sum(loads.values()), min(loads.values())
    return min((total + max(0, busy - len(loads)) * least) / busy for busy in range(1, workers + 1))
