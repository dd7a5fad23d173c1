"""A run directory into a digest; nothing is computed, everything is read from what the run has left."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from opencompass_ops import jobs
from opencompass_ops.budgets.events import summary, told, way_on
from opencompass_ops.clusters import attempts
from opencompass_ops.configs.masking import mask
from opencompass_ops.contract import codec, evidence, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan, PlannedPair, PlannedShard
from opencompass_ops.contract.records import Manifest
from opencompass_ops.contract.spec import EVAL, VIZ
from opencompass_ops.messages.digest import Digest, Gate, GateFinding, Kind, Link, Promotion, ScoreLine, Stage, Trouble
from opencompass_ops.results import metrics

_SKIPPED = "skipped"
_FALLEN = "{model}/{dataset}: {metric} fell to {value} (step {step}) from {reference_value} (step {reference_step})"

NEVER_RAN = "it was never started"


@dataclass(frozen=True)
class Circumstances:
    """What the run directory does not know.

    :param user: who started the run.
    :param launch: the run's id in Airflow, "" for the command line.
    :param problem: what else went wrong, e.g. that scores could not be stored; one line.
    :param task: where that was.
    :param checkpoint: version and name of what a series evaluates, "" when there is none.
    :param promotion: for which a person is, or was, asked.
    """

    user: str = ""
    launch: str = ""
    problem: str = ""
    task: str = "summarize"
    links: tuple[Link, ...] = ()
    checkpoint: str = ""
    promotion: Promotion | None = None


def started(run_dir: str, seen: Circumstances) -> Digest:
    """The digest of a run that was planned just now."""
    files = LocalFiles(run_dir)
    plan = _plan(files)
    counts = (Stage(name, (), (), len(shards)) for name, shards in plan.stages.items())
    return _digest(Kind.START, plan, seen, stages=tuple(counts))


def ended(run_dir: str, seen: Circumstances) -> Digest:
    """The digest of a run of which nothing runs any more.

    :raises OSError: there is no such run directory.
    """
    files = LocalFiles(run_dir)
    plan = _plan(files)
    stages = tuple(_stage(files, plan, name, shards) for name, shards in plan.stages.items())
    coverage = _of_this_launch(files, layout.COVERAGE) or {}
    pairs = list(coverage.get("pairs", []))
    lacking = tuple(Trouble(f"{pair['model']}/{pair['dataset']}", pair["reason"]) for pair in pairs if pair["reason"])
    has_all = bool(pairs) and not lacking
    is_whole = has_all and not seen.problem
    budget = () if is_whole else _budget(files)
    kind = Kind.SUCCESS if is_whole else Kind.BUDGET if budget else Kind.FAILURE
    if has_all:
        stages = tuple(_whole(stage) for stage in stages)
    table = layout.summary(plan.stamp, "txt")
    return _digest(
        kind,
        plan,
        seen,
        stages=stages,
        troubles=() if is_whole or any(stage.failed for stage in stages) else _other(lacking, seen),
        pairs=(len(pairs) - len(lacking), len(pairs) or len(plan.pairs)),
        scores=tuple(score for pair in plan.pairs for score in _scores(files, pair)),
        gate=_gate(files),
        promotion=seen.promotion,
        notes=(*budget, *_alarms(files)),
        summary=str(files.path(table)) if files.exists(table) else "",
        seconds=_seconds(plan),
    )


def abandoned(run_dir: str, seen: Circumstances) -> Digest:
    """The digest of a run that nobody sees through any more, while its jobs may go on.

    :param seen: with the problem.
    """
    plan = _plan(LocalFiles(run_dir))
    way_on = f"jobs that run go on, and so does the run with: opencompass-ops attach {run_dir}"
    trouble = Trouble(seen.task, str(mask(seen.problem)))
    return _digest(Kind.FAILURE, plan, seen, troubles=(trouble,), notes=(way_on,))


def params_of(run_dir: str) -> dict[str, Any]:
    """The request of a planned run, secrets masked."""
    return _plan(LocalFiles(run_dir)).params


def stage_ended(run_dir: str, seen: Circumstances, name: str) -> Digest:
    """The digest of one stage whose jobs are over; the rest of the run goes on.

    :param name: ``infer``, ``eval`` or ``viz``.
    """
    files = LocalFiles(run_dir)
    plan = _plan(files)
    stage = _stage(files, plan, name, plan.stages[name])
    return _digest(Kind.FAILURE if stage.failed else Kind.SUCCESS, plan, seen, stages=(stage,))


def first_failure(run_dir: str) -> str:
    """Where the first shard that failed has its log, as Airflow's page names tasks; "" when none has failed."""
    files = LocalFiles(run_dir)
    plan = _plan(files)
    for stage, shards in plan.stages.items():
        index: Counter[str] = Counter()
        for shard in shards:
            ended = attempts.ended(files, plan.instance, plan.run_dir, shard.id)
            if ended and not ended[-1].ok:
                return f"{stage}_{shard.cluster}/mapped/{index[shard.cluster]}"
            index[shard.cluster] += 1
    return ""


def unplanned(name: str, seen: Circumstances, series: str = "") -> Digest:
    """The digest of a run that failed before it had a run directory, or that needs none.

    :param name: what was to be evaluated.
    :param series: of the checkpoint, "" when it belongs to none.
    """
    trouble = Trouble(seen.task, str(mask(seen.problem)) or "its log says why")
    return Digest(
        kind=Kind.FAILURE,
        name=name,
        run=seen.launch,
        user=seen.user,
        series=series,
        checkpoint=seen.checkpoint,
        troubles=(trouble,),
        links=seen.links,
        launch=seen.launch,
    )


def hanging(run_dir: str, seen: Circumstances, shards: Sequence[str], silence: str) -> Digest:
    """The digest of a run in which jobs are alive and do nothing.

    :param shards: their ids.
    :param silence: how they hang, for people.
    """
    plan = _plan(LocalFiles(run_dir))
    known = {shard.id: shard for shard in plan.all_shards}
    troubles = tuple(Trouble(known[shard].label, silence) for shard in shards)
    return _digest(Kind.HANG, plan, seen, troubles=troubles, seconds=_seconds(plan))


def _digest(kind: Kind, plan: Plan, seen: Circumstances, **told: Any) -> Digest:
    return Digest(
        kind=kind,
        name=PurePosixPath(plan.config).stem,
        run=plan.run_dir,
        user=seen.user,
        series=str(plan.params.get("series") or ""),
        checkpoint=seen.checkpoint,
        links=seen.links,
        launch=seen.launch or plan.stamp,
        **told,
    )


def _plan(files: LocalFiles) -> Plan:
    return Plan.from_json(files.read(layout.PLAN))


def _stage(files: LocalFiles, plan: Plan, name: str, shards: Iterable[PlannedShard]) -> Stage:
    succeeded: list[str] = []
    failed: list[Trouble] = []
    for shard in shards:
        parts = ",".join(f"{shard.model}/{part}" for part in shard.parts)
        if reason := _failure(files, plan, shard):
            failed.append(Trouble(shard.label, str(mask(reason)), parts))
        else:
            succeeded.append(parts)
    return Stage(name, tuple(succeeded), tuple(failed), len(succeeded) + len(failed))


def _failure(files: LocalFiles, plan: Plan, shard: PlannedShard) -> str:
    """Why a shard's outputs are not there; "" when they are, whoever wrote them.

    Files are not read through once more: whether they are whole was judged when the job ended, and the coverage says.
    """
    ended = attempts.ended(files, plan.instance, plan.run_dir, shard.id)
    if ended and not ended[-1].ok:
        return _why(files, shard, ended[-1])
    if shard.kind == VIZ:
        return "" if ended or jobs.shard_is_done(str(files.root), shard.id) else NEVER_RAN
    path = layout.result if shard.kind == EVAL else layout.prediction
    is_there = all(files.exists(layout.manifest(path(shard.model, part))) for part in shard.parts)
    return "" if ended or is_there else NEVER_RAN


def _other(lacking: tuple[Trouble, ...], seen: Circumstances) -> tuple[Trouble, ...]:
    """What is wrong where no shard has failed."""
    return lacking or (Trouble(seen.task, str(mask(seen.problem)) or "there is no summary"),)


def _why(files: LocalFiles, shard: PlannedShard, outcome: attempts.Outcome) -> str:
    """The outcome's reason; of a job that left no word of its own, with the last line that it printed."""
    reason = outcome.reason or outcome.state.value
    if evidence.read_exit(files, outcome.token) is not None:
        return reason
    with suppress(OSError, ValueError):
        said = jobs.log_tail(str(files.root), shard.id, lines=1).strip()
        return f"{reason}: {said}" if said else reason
    return reason


def _whole(stage: Stage) -> Stage:
    """A stage of a run that has everything: a shard that failed was made up for otherwise."""
    parts = (*stage.succeeded, *(trouble.parts for trouble in stage.failed))
    return Stage(stage.name, parts, (), stage.planned)


def _scores(files: LocalFiles, pair: PlannedPair) -> Iterable[ScoreLine]:
    """The first metric of a result, as its manifest has it."""
    try:
        manifest = Manifest.from_json(files.read(layout.manifest(layout.result(pair.model, pair.dataset))))
        found = metrics.pick(dict(manifest.details.get("metrics") or {}))
    except (OSError, codec.SchemaError, TypeError, ValueError):
        return
    for metric, value in list(found.items())[:1]:
        yield ScoreLine(pair.model, pair.dataset, metric, value)


def _budget(files: LocalFiles) -> tuple[str, ...]:
    """What the run was stopped for since it was planned, a line for each limit, and how it goes on."""
    planned = datetime.fromtimestamp(files.path(layout.PLAN).stat().st_mtime, UTC)
    met = summary(told(files, since=planned.isoformat(timespec="milliseconds")))
    return (*met, way_on(files.root.name)) if met else ()


def _gate(files: LocalFiles) -> Gate | None:
    """The gate's record, as far as a message tells it; None when it compared nothing."""
    record = _of_this_launch(files, layout.GATE)
    if not record or not isinstance(record.get("outcome"), str) or record["outcome"] == _SKIPPED:
        return None
    findings = [entry for entry in record.get("datasets") or [] if isinstance(entry, dict)]
    return Gate(str(record["outcome"]), tuple(_finding(entry) for entry in findings if entry.get("counts", True)))


def _alarms(files: LocalFiles) -> tuple[str, ...]:
    """What the gate noticed beside its verdict: evaluations that are broken, and series that have fallen."""
    record = _of_this_launch(files, layout.GATE) or {}
    alarms = [str(one["text"]) for one in record.get("health") or [] if isinstance(one, dict) and one.get("text")]
    fallen = [one for one in record.get("alerts") or [] if isinstance(one, dict)]
    return (*alarms, *(_FALLEN.format_map(defaultdict(str, one)) for one in fallen))


def _finding(entry: dict[str, Any]) -> GateFinding:
    return GateFinding(
        model=str(entry.get("model", "")),
        dataset=str(entry.get("dataset", "")),
        outcome=str(entry.get("outcome", "")),
        value=_number(entry.get("value")),
        reference_value=_number(entry.get("reference_value")),
        reference=str(entry.get("reference") or ""),
        p_value=_number(entry.get("adjusted")),
    )


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _of_this_launch(files: LocalFiles, path: str) -> dict[str, Any] | None:
    """A JSON file that was written after the plan: a reused folder holds those of earlier launches too."""
    try:
        planned, written = (files.path(name).stat().st_mtime for name in (layout.PLAN, path))
        values = json.loads(files.read(path)) if written >= planned else None
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _seconds(plan: Plan) -> float:
    """Since the launch, by the clock of this host; 0 where that makes no sense."""
    with suppress(ValueError):
        launched = datetime.strptime(plan.stamp, "%Y%m%d_%H%M%S").astimezone()
        return max(0.0, (datetime.now(UTC) - launched).total_seconds())
    return 0.0
