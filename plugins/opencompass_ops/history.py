"""What earlier runs teach the planner: what work took, and how this run directory was split before."""

from __future__ import annotations

from pathlib import Path

from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan, PlannedPair
from opencompass_ops.planning.costs import CostModel, Measured, Work, learn
from opencompass_ops.planning.partition import Range
from opencompass_ops.results.rows import TimingRow
from opencompass_ops.results.store import Store


def learned_costs(store: Store) -> CostModel:
    """The cost model of everything that the database saw."""
    newest_first = store.timings()
    devices = {row.place: row.device for row in reversed(newest_first)}
    return learn(
        [_measured(row) for row in newest_first if row.part],
        [_measured(row) for row in newest_first if not row.part],
        devices,
    )


def _measured(row: TimingRow) -> Measured:
    work = Work(row.engine, row.device, row.gpus, row.weights_bytes, row.dataset, row.row_cost)
    return Measured(work, row.items, row.seconds)


def begun_ranges(run_dir: Path | None) -> dict[tuple[str, str], tuple[Range, ...]]:
    """By (model, dataset), the ranges that the run directory's plan gave it, where any of them is answered or begun.

    Split otherwise, what is in its journals would be lost.
    """
    if run_dir is None:
        return {}
    files = LocalFiles(run_dir)
    try:
        plan = Plan.from_json(files.read(layout.PLAN))
    except (OSError, codec.SchemaError):
        return {}
    begun = [pair for pair in plan.pairs if _is_begun(files, pair)]
    return {(pair.model, pair.dataset): tuple((start, stop) for start, stop in pair.ranges) for pair in begun}


def _is_begun(files: LocalFiles, pair: PlannedPair) -> bool:
    paths = [layout.prediction(pair.model, part) for part in pair.parts]
    paths += [layout.journal(pair.model, part) for part in pair.parts]
    return any(files.exists(path) for path in paths)
