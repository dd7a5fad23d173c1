"""A config's ``infer`` and ``eval`` sections: how it wants each stage partitioned, where, how many jobs at once.

They hold where the request names no cluster (``--slurm``, ``--dlc``, ``--cluster``), each for its own stage. With a
cluster they are replaced as a whole; OpenCompass merges them key by key and then fails on the mixture. What people
type about resources (``-p``, ``-q``, ``--qos`` ...) goes over both (:mod:`opencompass_ops.asked`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opencompass_ops.culprits import Culprits
from opencompass_ops.errors import ConfigError
from opencompass_ops.planning import judging, unread
from opencompass_ops.planning.choice import configured
from opencompass_ops.planning.parameter import DLC, LOCAL, SLURM, nearest
from opencompass_ops.planning.partition import Naive, NumWorker, Partitioner
from opencompass_ops.planning.request import Request

INFER, EVAL = "infer", "eval"

_MAX_NUM_WORKERS = {LOCAL: 16, SLURM: 32, DLC: 32}
"""What OpenCompass's runners take where a section has a runner that does not say it."""

_RUNNERS = {
    "LocalRunner": LOCAL,
    "LocalAPIRunner": LOCAL,
    "SlurmRunner": SLURM,
    "SlurmSequentialRunner": SLURM,
    "DLCRunner": DLC,
}
_EVERY_RUNNER = frozenset({"type", "task", "lark_bot_url", "max_num_workers", "retry"})
_READ_OF_RUNNER = {
    LOCAL: _EVERY_RUNNER | {"max_workers_per_gpu"},
    SLURM: _EVERY_RUNNER | {"partition", "quotatype", "qos", "extra_command"},
    DLC: _EVERY_RUNNER | {"aliyun_cfg"},
}
_TAKES_ANYTHING = "LocalRunner"
"""OpenCompass's class that ignores what it does not know, with a warning; the others end in a TypeError."""

_TASKS = {
    INFER: frozenset({"OpenICLInferTask", "OpenICLInferConcurrentTask"}),
    EVAL: frozenset({"OpenICLEvalTask", "OpenICLEvalWatchTask", judging.TASK}),
}
_MISPLACED = {
    INFER: "scores answers and belongs under eval; write OpenICLInferTask under infer, or leave the task out",
    EVAL: "answers questions and belongs under infer; write OpenICLEvalTask under eval, or leave the task out",
}
"""OpenCompass's own guide has OpenICLEvalTask under infer."""

_READ_OF_TASK = {INFER: frozenset({"type"}), EVAL: frozenset({"type", "dump_details"})}
_READ_OF_JUDGES = frozenset({"type", "models", "judge_models", "meta_judge_model"})
_RESOURCES = ("partition", "quotatype", "qos")
"""Keys of a runner that ``clusters.resources`` has under the same name."""

_NOT_SUPPORTED = {"VOLCRunner": "Volcano Engine's machine learning platform", "RJOBRunner": "rjob clusters"}
"""OpenCompass's runners that no kind of cluster stands for."""


@dataclass(frozen=True)
class Stage:
    """How one stage of a run shall go.

    :param cluster: name of the cluster config.
    :param partitioner: None for the planner's own choice.
    :param resources: what the section's runner asks of the cluster, under the names of ``clusters.resources``.
    :param is_asked: whether what people typed about resources goes for it too.
    :param extra_command: what the runner says of it, as it stands (:mod:`opencompass_ops.srun_options` reads it).
    :param max_workers_per_gpu: jobs that may share a device, None for what the cluster config says.
    :param aliyun: settings of PAI-DLC that the runner has, None where it has none.
    :param dump_details: whether results keep every item, None where nobody says.
    :param notes: what people should know of it.
    """

    cluster: str
    max_num_workers: int
    retry: int
    partitioner: Partitioner | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    is_asked: bool = True
    extra_command: Any = ()
    max_workers_per_gpu: int | None = None
    aliyun: Mapping[str, Any] | None = None
    dump_details: bool | None = None
    notes: tuple[str, ...] = ()


def infer_stage(section: Mapping[str, Any] | None, request: Request) -> Stage:
    """How inference shall go.

    :param section: the config's ``infer``.
    :raises ConfigError: the section holds (no cluster is named) and cannot be obeyed.
    """
    if request.cluster is not None or not section:
        return _asked(request, request.cluster or LOCAL, _replaced(INFER, section))
    return _obeyed(INFER, section, request)


def eval_stage(section: Mapping[str, Any] | None, request: Request, infer: Stage) -> Stage:
    """How evaluation shall go; where nobody says, as inference goes.

    :param section: the config's ``eval``.
    :param infer: the stage of inference.
    :raises ConfigError: the section holds and cannot be obeyed.
    """
    named = request.eval_cluster or request.cluster
    if named is None and section:
        return _obeyed(EVAL, section, request)
    cluster = named or infer.cluster
    if cluster == infer.cluster:
        return Stage(
            cluster,
            infer.max_num_workers,
            infer.retry,
            resources=infer.resources,
            extra_command=infer.extra_command,
            max_workers_per_gpu=infer.max_workers_per_gpu,
            aliyun=infer.aliyun,
            notes=_replaced(EVAL, section),
        )
    # What is asked of one cluster (a partition) means nothing on another.
    return Stage(
        cluster,
        request.max_num_workers,
        request.retry,
        is_asked=False,
        max_workers_per_gpu=request.max_workers_per_gpu,
        notes=_replaced(EVAL, section),
    )


def _asked(request: Request, cluster: str, notes: tuple[str, ...]) -> Stage:
    return Stage(
        cluster,
        request.max_num_workers,
        request.retry,
        max_workers_per_gpu=request.max_workers_per_gpu,
        notes=notes,
    )


def _replaced(stage: str, section: Mapping[str, Any] | None) -> tuple[str, ...]:
    if not section:
        return ()
    judges = "; its judges hold" if stage == EVAL and judging.names_judges(section) else ""
    return (f"the config's {stage} section is replaced, because a cluster was named{judges}",)


def _obeyed(stage: str, section: Mapping[str, Any], request: Request) -> Stage:
    wrong = Culprits()
    runner = wrong.of(_table, {}, f"{stage}.runner", section.get("runner") or {})
    kind = wrong.of(_kind, "", stage, runner)
    if kind and _class_name(runner.get("type", _TAKES_ANYTHING)) != _TAKES_ANYTHING:
        _check_keys(f"{stage}.runner", runner, _READ_OF_RUNNER[kind] | unread.OF_RUNNERS, wrong)
    workers = wrong.of(_number, 1, stage, runner, "max_num_workers", _MAX_NUM_WORKERS.get(kind, 1))
    retry = wrong.of(_number, 0, stage, runner, "retry", request.retry, 0)
    said = {key: runner[key] for key in _RESOURCES if runner.get(key)}
    shared = runner.get("max_workers_per_gpu")
    partitioner = wrong.of(_partitioner, None, stage, section.get("partitioner"))
    task = wrong.of(_table, {}, f"{stage}.runner.task", runner.get("task") or {})
    wrong.of(_check_task, None, stage, _class_name(task.get("type")))
    aliyun = wrong.of(_aliyun, None, stage, runner)
    wrong.refuse()
    return Stage(
        cluster=kind,
        max_num_workers=workers,
        retry=retry,
        partitioner=partitioner,
        resources=said,
        extra_command=runner.get("extra_command") or (),
        max_workers_per_gpu=request.max_workers_per_gpu if shared is None else shared,
        aliyun=aliyun,
        dump_details=task.get("dump_details"),
        notes=(
            *_overruled(stage, request, workers, retry, shared),
            *_overruling(stage, request, section),
            *_obeyed_as(stage, runner, task, workers),
            *_unread(stage, section, request),
        ),
    )


def _aliyun(stage: str, runner: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found = runner.get("aliyun_cfg")
    return None if found is None else _table(f"{stage}.runner.aliyun_cfg", found)


def _kind(stage: str, runner: Mapping[str, Any]) -> str:
    """The cluster that a runner's class means; a section without runner runs here."""
    name = _class_name(runner.get("type", "LocalRunner"))
    if name in _NOT_SUPPORTED:
        raise ConfigError(
            f"{stage}.runner: {name} cannot be obeyed: it is OpenCompass's runner for {_NOT_SUPPORTED[name]}, which is "
            "not supported here. Name a cluster (--slurm -p PARTITION, --cluster NAME), which replaces the section, or "
            "run this config with OpenCompass"
        )
    if name not in _RUNNERS:
        raise ConfigError(
            f"{stage}.runner: {name} cannot be obeyed; {nearest(name, list(_RUNNERS))}. Correct it, or name a cluster "
            "(--slurm -p PARTITION, --cluster NAME), which replaces the section"
        )
    return _RUNNERS[name]


def _partitioner(stage: str, values: Any) -> Partitioner | None:
    """The one that inference uses; evaluations are one per model x dataset, and never split."""
    if values is None:
        return None
    name = _class_name(_table(f"{stage}.partitioner", values).get("type"))
    if stage == EVAL and name in judging.PARTITIONERS:
        _check_arguments(name, values)
        return None
    partitioner = configured(values, f"{stage}.partitioner")
    if stage == INFER:
        return partitioner
    if not _keeps_whole(partitioner):
        raise ConfigError(
            f"eval.partitioner: {name} would split datasets, and nobody merges the parts of a score: each part would "
            "get a result of its own, which no summary reads. Use NaivePartitioner under eval, or leave it out, and "
            f"put {name} under infer"
        )
    return None


def _check_arguments(name: str, values: Mapping[str, Any]) -> None:
    known = sorted(_READ_OF_JUDGES | unread.OF_JUDGES)
    for key in values:
        if key not in known:
            raise ConfigError(f"eval.partitioner: {name} has no argument {key!r}; {nearest(str(key), known)}")


def _keeps_whole(partitioner: Partitioner) -> bool:
    if isinstance(partitioner, NumWorker):
        return (partitioner.num_split or partitioner.num_worker) <= 1
    return isinstance(partitioner, Naive)


def _overruled(stage: str, request: Request, workers: int, retry: int, shared: int | None) -> list[str]:
    """What was typed and gives way, as the help of OpenCompass's flags says."""
    plain, notes = Request(), []
    if request.max_num_workers not in (plain.max_num_workers, workers):
        notes.append(f"max_num_workers={request.max_num_workers}: {stage}.runner of the config says {workers}")
    if request.retry not in (plain.retry, retry):
        notes.append(f"retry={request.retry}: {stage}.runner of the config says {retry}")
    typed = request.max_workers_per_gpu
    if typed is not None and shared not in (None, typed):
        notes.append(f"max_workers_per_gpu={typed}: {stage}.runner of the config says {shared}")
    return [f"{note}, and that holds; name a cluster to replace the section" for note in notes]


def _overruling(stage: str, request: Request, section: Mapping[str, Any]) -> list[str]:
    """What was typed and takes the place of the section's partitioner."""
    typed = {"max_partition_size": request.max_partition_size, "gen_task_coef": request.gen_task_coef}
    said = ", ".join(f"{name}={value}" for name, value in typed.items() if value)
    if stage != INFER or section.get("partitioner") is None:
        return []
    if not said:
        target = request.target_minutes
        return [f"target_minutes={target}: infer.partitioner of the config splits by size instead"] if target else []
    return [f"{said}: means a SizePartitioner, which replaces the config's infer.partitioner"]


def _check_task(stage: str, name: str) -> None:
    if not name or name in _TASKS[stage]:
        return
    where = f"{stage}.runner.task: {name}"
    if name in _TASKS[INFER] | _TASKS[EVAL]:
        raise ConfigError(f"{where} {_MISPLACED[stage]}")
    raise ConfigError(
        f"{where} cannot be obeyed; {nearest(name, sorted(_TASKS[stage]))}. Attacked prompts (OpenICLAttackTask) are "
        "not built: run them with OpenCompass"
    )


def _obeyed_as(stage: str, runner: Mapping[str, Any], task: Mapping[str, Any], workers: int) -> list[str]:
    """Classes in whose place others stand here."""
    names = {_class_name(runner.get("type")), _class_name(task.get("type"))}
    told = {
        "SlurmSequentialRunner": f"SlurmSequentialRunner is obeyed as SlurmRunner: up to {workers} jobs may wait in "
        "the queue at once",
        "OpenICLInferConcurrentTask": "OpenICLInferConcurrentTask is obeyed as OpenICLInferTask: within a job one "
        "dataset comes after the other; raise max_num_workers for more at once",
        "OpenICLEvalWatchTask": "OpenICLEvalWatchTask: evaluation starts when inference has ended, not beside it",
    }
    return [f"{stage}.runner: {said}" for name, said in told.items() if name in names]


def _unread(stage: str, section: Mapping[str, Any], request: Request) -> list[str]:
    """What the section says and nobody reads."""
    runner, partitioner = section.get("runner") or {}, section.get("partitioner") or {}
    arguments = {"type"} if stage == EVAL else set(partitioner) - unread.OF_PARTITIONERS
    judges = stage == EVAL and _class_name(partitioner.get("type")) in judging.PARTITIONERS
    read = _READ_OF_RUNNER[_kind(stage, runner)] | ({"debug"} if request.debug else set())
    address = f"{stage}.runner.lark_bot_url is not read: nobody asked for messages; say -l"
    return [
        *([address] if runner.get("lark_bot_url") and not request.lark else []),
        *unread.of_runner(stage, runner, read),
        *unread.of_task(stage, runner.get("task") or {}, _READ_OF_TASK[stage]),
        *unread.of_partitioner(stage, partitioner, _READ_OF_JUDGES if judges else arguments, judges=judges),
        *unread.of_section(stage, section, {"partitioner", "runner"}),
    ]


def _check_keys(where: str, values: Mapping[str, Any], known: frozenset[str], wrong: Culprits) -> None:
    strange = [str(key) for key in values if key not in known]
    wrong.add(*(f"{where}: unknown key {key!r}; {nearest(key, sorted(known))}" for key in strange))


def _number(stage: str, runner: Mapping[str, Any], key: str, default: int, least: int = 1) -> int:
    value = runner.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{stage}.runner.{key} is {value!r}; give a whole number of at least {least}")
    return value


def _table(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} is {value!r:.60}, not a dict; write dict(type=...)")
    return value


def _class_name(kind: Any) -> str:
    return str(kind or "").rpartition(".")[2]
