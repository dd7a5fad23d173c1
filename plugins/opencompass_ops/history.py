"""What earlier runs teach the planner: what work took, how this run directory was split, which weights it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan, PlannedPair
from opencompass_ops.contract.probe import ModelProbe, ProbeReport
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


def with_remembered_weights(report: ProbeReport, run_dir: Path, models: Sequence[Mapping[str, Any]]) -> ProbeReport:
    """The report of a run that only looks at scores: of a checkpoint that is gone, the folder still knows which it was.

    :param models: of the config; where one's path is another now, that is not the one that was evaluated.
    """
    paths = {str(model["abbr"]): str(model.get("path") or "") for model in models}
    known = _models_of(run_dir, paths)

    def remembered(probe: ModelProbe) -> ModelProbe:
        if probe.weights_id or probe.error:
            return probe
        gone = f"gone:{paths[probe.abbr]}"
        return known.get(probe.abbr) or replace(probe, weights_id=gone, tokenizer_id=gone)

    return replace(report, models=tuple(map(remembered, report.models)))


def _models_of(run_dir: Path, paths: Mapping[str, str]) -> dict[str, ModelProbe]:
    """What the run directory's plan knew of the models that have these paths by abbr."""
    files = LocalFiles(run_dir)
    try:
        planned = Plan.from_json(files.read(layout.PLAN)).models
        report = ProbeReport.from_json(files.read(layout.PROBE))
    except (OSError, codec.SchemaError):
        return {}  # OpenCompass wrote the folder
    same = {model.abbr for model in planned if model.path == paths.get(model.abbr)}
    return {probe.abbr: probe for probe in report.models if probe.abbr in same and probe.weights_id}


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
