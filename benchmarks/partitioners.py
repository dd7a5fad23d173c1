"""Makespan of whole runs beside what nobody could undercut: Size, NumWorker, and Cost before and after it has learned.

``make bench-partitioners``; see README.md here. Simulated, over costs that were recorded and over generated ones: no
GPU and no cluster is used, and the figures are the same everywhere. It is no test: nothing fails because one is bad.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks.shards.report import put
from benchmarks.simulated import recorded
from benchmarks.simulated.clock import Costs, Job, Ran, lower_bound, run, work_of
from benchmarks.simulated.recorded import RecordedTruth, Recording
from benchmarks.simulated.truth import Dataset, Model, Truth, datasets
from opencompass_ops.planning.costs import CostModel, Measured, learn
from opencompass_ops.planning.packing import Cost
from opencompass_ops.planning.partition import Candidate, NumWorker, Partitioner, Size

MARKS = ("<!-- begin: make bench-partitioners -->", "<!-- end: make bench-partitioners -->")
WORLDS = 20
LEARNED = 3
"""Runs of earlier checkpoints that a planner has seen when it counts as having learned."""


@dataclass(frozen=True)
class Setting:
    """Whole runs of one kind.

    :param models: makes the checkpoints of run ``n``.
    """

    name: str
    models: Callable[[int], list[Model]]
    datasets: int
    workers: int


def _series(series: str, gigabytes: float, device: str = "A100", count: int = 1) -> Callable[[int], list[Model]]:
    return lambda run: [Model(f"{series}-{run}-{n}", series, gigabytes, device) for n in range(count)]


def _three_sizes(run: int) -> list[Model]:
    return [model for name, size in (("1b", 2.6), ("7b", 14.0), ("70b", 140.0)) for model in _series(name, size)(run)]


SETTINGS = (
    Setting("one 7B checkpoint, 60 datasets, 8 at once", _series("7b", 14.0), 60, 8),
    Setting("five 7B checkpoints, 60 datasets, 16 at once", _series("7b", 14.0, count=5), 60, 16),
    Setting("1.3B, 7B and 70B, 60 datasets, 16 at once", _three_sizes, 60, 16),
    Setting("one 7B checkpoint, 20 datasets, 64 at once", _series("7b", 14.0), 20, 64),
    Setting("one 70B checkpoint, 10 datasets, 4 at once", _series("70b", 140.0), 10, 4),
)


@dataclass(frozen=True)
class RecordedSetting:
    """Whole runs over recorded costs.

    :param series: of which one checkpoint each is evaluated.
    """

    name: str
    series: tuple[str, ...]
    workers: int


RECORDED = (
    RecordedSetting("one large checkpoint, 29 datasets, 4 at once", ("large",), 4),
    RecordedSetting("one large checkpoint, 8 at once", ("large",), 8),
    RecordedSetting("one large checkpoint, 32 at once", ("large",), 32),
    RecordedSetting("one small checkpoint, 8 at once", ("small",), 8),
    RecordedSetting("a small, a middle and a large one, 8 at once", ("small", "middle", "large"), 8),
    RecordedSetting("a small, a middle and a large one, 16 at once", ("small", "middle", "large"), 16),
)
_WAYS = ("Size 40000", "NumWorker", "Cost, nothing learned", "Cost, 1 run", f"Cost, {LEARNED} runs", "Cost, told")


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", type=Path, help="put the table into this document, between its marks")
    arguments = parser.parse_args()
    text = f"{recorded_table(RECORDED, recorded.read())}\n{table(SETTINGS, WORLDS)}"
    print(text)
    if arguments.write:
        put(arguments.write, text, MARKS)
    return 0


def table(settings: Sequence[Setting], worlds: int) -> str:
    """Mean makespan over the lower bound, and the worst of all worlds; in parentheses the mean number of jobs."""
    head = f"Generated costs: makespan / lower bound, mean of {worlds} worlds, worst of them; in parentheses jobs."
    return _table(head, {each.name: [compared(each, seed) for seed in range(worlds)] for each in settings})


def recorded_table(settings: Sequence[RecordedSetting], recording: Recording) -> str:
    """The same over recorded costs: each checkpoint in turn is evaluated once the others are known."""
    head = (
        f"Recorded costs ({recording.made}; {recording.processor}): makespan / lower bound, mean of the checkpoints, "
        "worst of them; in parentheses jobs."
    )
    return _table(head, {each.name: compared_recorded(each, recording) for each in settings})


def _table(head: str, measured: Mapping[str, Sequence[Sequence[tuple[float, int]]]]) -> str:
    lines = [head, "", "|  | " + " | ".join(_WAYS) + " |", "| --- |" + " ---: |" * len(_WAYS)]
    for name, each in measured.items():
        cells = [_cell([one[way] for one in each]) for way in range(len(_WAYS))]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(measured: Sequence[tuple[float, int]]) -> str:
    ratios, jobs = zip(*measured, strict=True)
    return f"{mean(ratios):.2f}, {max(ratios):.2f} ({mean(jobs):.0f})"


def compared(setting: Setting, seed: int) -> list[tuple[float, int]]:
    """Makespan over the lower bound, and jobs, for each way in the order of the table; all of one last run."""
    data = datasets(seed, setting.datasets)
    seen: list[Ran] = []
    for number in range(LEARNED):
        seen.append(_ran(setting, seed, number, data, by_cost(learned(seen))))
    truth, models = Truth(seed, LEARNED), setting.models(LEARNED)
    return _beside_bound(truth, models, data, setting.workers, seen)


def compared_recorded(setting: RecordedSetting, recording: Recording) -> list[list[tuple[float, int]]]:
    """The same of each checkpoint, with the others of its series as what was seen before."""
    truth, data = RecordedTruth(recording), recorded.datasets(recording)
    series = [recorded.checkpoints(recording, name) for name in setting.series]
    found = []
    for judged in range(LEARNED + 1):
        seen: list[Ran] = []
        for number in (each for each in range(LEARNED + 1) if each != judged):
            models = [each[number] for each in series]
            jobs = by_cost(learned(seen))(models, data, setting.workers)
            seen.append(run(truth, jobs, models, data, setting.workers))
        found.append(_beside_bound(truth, [each[judged] for each in series], data, setting.workers, seen))
    return found


def _beside_bound(
    truth: Costs, models: Sequence[Model], data: Sequence[Dataset], workers: int, seen: Sequence[Ran]
) -> list[tuple[float, int]]:
    plans = [by_partitioner(Size(40_000)), by_partitioner(NumWorker(workers))]
    plans += [by_cost(learned(seen[:runs])) for runs in (0, 1, LEARNED)]
    plans.append(_by_row_and_load(truth.row_seconds, truth.load_seconds))
    work = sum(truth.row_seconds(model, dataset) * dataset.rows for model in models for dataset in data)
    bound = lower_bound(work, {model.name: truth.load_seconds(model) for model in models}, workers)
    runs = [run(truth, plan(models, data, workers), models, data, workers) for plan in plans]
    return [(each.makespan / bound, each.jobs) for each in runs]


Plan = Callable[[Sequence[Model], Sequence[Dataset], int], Sequence[Job]]


def _ran(setting: Setting, seed: int, number: int, data: Sequence[Dataset], plan: Plan) -> Ran:
    models = setting.models(number)
    return run(Truth(seed, number), plan(models, data, setting.workers), models, data, setting.workers)


def learned(seen: Sequence[Ran]) -> CostModel:
    """What the planner knows after these runs."""
    rows: list[Measured] = [measured for each in seen for measured in each.rows]
    return learn(rows, [measured for each in seen for measured in each.loads])


def by_partitioner(partitioner: Partitioner) -> Plan:
    """As OpenCompass does it: model by model."""

    def plan(models: Sequence[Model], data: Sequence[Dataset], workers: int) -> Sequence[Job]:
        candidates = [Candidate(dataset.config, dataset.rows, dataset.rows) for dataset in data]
        return [(model.name, shard) for model in models for shard in partitioner.shards(candidates)]

    return plan


def by_cost(costs: CostModel) -> Plan:
    """By expected time."""
    return _by_row_and_load(
        lambda model, dataset: costs.row_seconds(work_of(model, dataset)),
        lambda model: costs.load_seconds(work_of(model)),
        lambda model, dataset: costs.is_known(work_of(model, dataset)),
    )


def _by_row_and_load(
    row: Callable[[Model, Dataset], float],
    load: Callable[[Model], float],
    is_known: Callable[[Model, Dataset], bool] = lambda *_: True,
) -> Plan:
    def plan(models: Sequence[Model], data: Sequence[Dataset], workers: int) -> Sequence[Job]:
        candidates = [
            Candidate(
                dataset.config,
                dataset.rows,
                dataset.rows,
                model=model.name,
                row_seconds=row(model, dataset),
                is_known=is_known(model, dataset),
                load_seconds=load(model),
            )
            for model in models
            for dataset in data
        ]
        return Cost(candidates, workers).jobs()

    return plan


if __name__ == "__main__":
    sys.exit(main())
