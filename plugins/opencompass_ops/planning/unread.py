"""Keys of a config's ``infer`` and ``eval`` sections that nothing here reads: told, each with what to do instead.

A key whose value says what is done anyway (``debug=False``) is not told.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from opencompass_ops.planning.parameter import nearest

_ROWS = "rows are counted where the data lies, each time; leave it out"
_ONE_BY_ONE = "every model x dataset is scored by a job of its own; leave it out"
_OF_DATASETS = "say it in the datasets that are judged"
_ANSWERED_FIRST = "answers are scored when inference has ended, not beside it; leave it out"
_LEAVE = "leave it out"


class _Key(NamedTuple):
    """What to do instead, and the values that are told nothing because they are so anyway."""

    advice: str
    harmless: tuple[Any, ...] = ()


_RUNNER = {
    "debug": _Key("say --debug, which runs one job after the other and shows its output", (False,)),
    "keep_tmp_file": _Key("what each job was told is always kept in the run directory; leave it out", (True,)),
    "concurrent_users": _Key(
        "each job asks as often as its model's query_per_second says, and --max-num-workers jobs run at once; set these"
    ),
    "task_prefix": _Key(f"jobs are named by what they do; {_LEAVE}", ("",)),
    "eval_with_gpu": _Key("an evaluation gets the GPUs of its eval_cfg; say num_gpus there", ([],)),
    "preemptible": _Key(f"no job is submitted as preemptible; {_LEAVE}", (False,)),
}
_TASK = {
    "judge_cfg": _Key("name who judges in eval.partitioner.judge_models, or in the dataset's evaluator"),
    "cal_extract_rate": _Key("every result's manifest counts empty answers; leave it out", (False,)),
    "watch_interval": _Key(_ANSWERED_FIRST),
    "heartbeat_timeout": _Key(_ANSWERED_FIRST),
    "log_interval": _Key(_ANSWERED_FIRST),
}
_PARTITIONER = {
    "out_dir": _Key("files lie in the run directory; say where it lies with -w or work_dir"),
    "keep_keys": _Key(f"jobs are told all that concerns them; {_LEAVE}"),
    "dataset_size_path": _Key(_ROWS),
    "force_rebuild": _Key(_ROWS, (False,)),
}
_JUDGES_PARTITIONER = {
    **_PARTITIONER,
    **dict.fromkeys(("base_models", "compare_models", "model_pairs", "mode", "infer_order"), _Key(_OF_DATASETS, ([],))),
    **dict.fromkeys(
        ("max_task_size", "gen_task_coef", "num_worker", "num_split", "min_task_size", "strategy", "n"),
        _Key(_ONE_BY_ONE),
    ),
}
_EVAL_PARTITIONER = {**_PARTITIONER, "n": _Key(_ONE_BY_ONE, (1,))}
_SECTION = {"given_pred": _Key(_OF_DATASETS)}

OF_RUNNERS = frozenset(_RUNNER)
"""Keys of runners that are known and not read; which class takes which is known where classes are."""

OF_PARTITIONERS = frozenset(_PARTITIONER)
"""Arguments that every partitioner of OpenCompass takes, or several, and that are not read."""

OF_JUDGES = frozenset(_JUDGES_PARTITIONER)
"""Arguments of OpenCompass's Subjective partitioners that are not read."""


def of_section(stage: str, section: Mapping[str, Any], read: Collection[str]) -> list[str]:
    """Keys beside ``partitioner`` and ``runner``.

    :param read: the keys that are read.
    """
    usual = f"a section is read as {' and '.join(sorted(read))} only; {_LEAVE}"
    return _told(stage, section, read, _SECTION, usual)


def of_runner(stage: str, runner: Mapping[str, Any], read: Collection[str]) -> list[str]:
    """Keys of a runner; what nobody knows only a LocalRunner takes, with a warning of its own.

    :param read: the keys that are read of its class.
    """
    told = _told(f"{stage}.runner", runner, {*read, *(set(runner) - set(_RUNNER))}, _RUNNER, "")
    others = [key for key in runner if key not in read and key not in _RUNNER]
    return told + [
        f"{stage}.runner.{key}{_shown(runner[key])} is not read: LocalRunner has no such key, and OpenCompass ignores "
        f"it too; {nearest(str(key), sorted(read))}"
        for key in others
    ]


def of_task(stage: str, task: Mapping[str, Any], read: Collection[str]) -> list[str]:
    """Keys of a runner's task.

    :param read: the keys that are read at this stage.
    """
    usual = f"of a task {' and '.join(sorted(read))} is all that anybody reads here; {_LEAVE}"
    return _told(f"{stage}.runner.task", task, read, _TASK, usual)


def of_partitioner(
    stage: str, partitioner: Mapping[str, Any], read: Collection[str], *, judges: bool = False
) -> list[str]:
    """Arguments of a partitioner.

    :param read: those that are read.
    :param judges: whether it is one of OpenCompass's for judges.
    """
    known = _JUDGES_PARTITIONER if judges else _EVAL_PARTITIONER
    return _told(f"{stage}.partitioner", partitioner, read, known, _ONE_BY_ONE)


def _told(
    where: str, values: Mapping[str, Any], read: Collection[str], known: Mapping[str, _Key], usual: str
) -> list[str]:
    """:param usual: what to do about a key that is not in the table."""
    told = []
    for key, value in values.items():
        found = known.get(key, _Key(usual))
        if key not in read and value is not None and value not in found.harmless:
            told.append(f"{where}.{key}{_shown(value)} is not read: {found.advice}")
    return told


def _shown(value: Any) -> str:
    """The value where it is short and no secret."""
    return f"={value!r}" if isinstance(value, (bool, int, float)) else ""
