"""The parameter file of OpenCompass's task modules: a Python config of one model and its datasets.

Secrets stay out of it: a text ``ENV:NAME`` of a config becomes an expression that reads the job's environment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from inference.ranges import select
from opencompass_ops.contract.spec import DUMP_DETAILS, DUMP_RES_LENGTH, Part, ShardSpec

FROM_ENVIRONMENT = re.compile(r"ENV:([A-Za-z_][A-Za-z0-9_]*)")
"""A secret by the name of its variable; OpenCompass's own models know only ``ENV``, and one variable each."""


def infer_parameters(spec: ShardSpec, parts: Iterable[Part], run_dir: str) -> str:
    """The file for ``openicl_infer.py``: each part is a dataset of its own, as OpenCompass's partitioners make them.

    :param run_dir: where ``predictions/`` is written.
    """
    datasets = [_ranged(spec, part) | {"abbr": part.name} for part in parts]
    lengths = {"dump_res_length": True} if spec.options.get(DUMP_RES_LENGTH) else {}
    return _text({"models": [spec.model], "datasets": [datasets], "work_dir": run_dir, **lengths})


def eval_parameters(spec: ShardSpec, work_dir: str) -> str:
    """The file for ``openicl_eval.py``: the whole dataset, or the rows that the run's limit leaves of it.

    :param work_dir: holds ``predictions/``; ``results/`` is written there.
    """
    first, total = spec.parts[0], spec.parts[0].total
    whole = Part(first.dataset, None, 0, total, total, "", "")
    task = {"runner": {"task": {"dump_details": bool(spec.options.get(DUMP_DETAILS, True))}}}
    return _text({"models": [spec.model], "datasets": [[_ranged(spec, whole)]], "work_dir": work_dir, "eval": task})


def judge_parameters(
    spec: ShardSpec, models: list[dict[str, Any]], roles: dict[str, Any], work_dir: str
) -> tuple[str, str]:
    """The file for ``subjective_eval.py``, and the abbr under which it writes.

    The task takes a dataset with a range for a part of it, and cuts ``_0`` off its name to find the answers.

    :param models: who is judged: one, or those that are compared.
    :param roles: ``judge_model``, or ``meta_judge_model`` and ``judge_models``.
    :param work_dir: holds ``predictions/``; ``results/`` is written there.
    """
    first, total = spec.parts[0], spec.parts[0].total
    dataset = _ranged(spec, Part(first.dataset, None, 0, total, total, "", ""))
    if dataset["reader_cfg"].get("test_range"):
        dataset = dataset | {"abbr": f"{first.dataset_abbr}_0"}
    judged = models[0] if len(models) == 1 else tuple(models)
    values = {"models": [judged], "datasets": [[dataset]], "work_dir": work_dir, **roles}
    order = first.dataset["eval_cfg"]["judging"]["infer_order"]
    return str(dataset["abbr"]), _text(values | {"infer_order": order})


def viz_parameters(spec: ShardSpec) -> str:
    """The config for ``run.py -m viz``; secrets were masked when it was planned, and a table needs none."""
    return "".join(f"{key} = {_plain(value)}\n" for key, value in spec.options["config"].items())


def _ranged(spec: ShardSpec, part: Part) -> dict[str, Any]:
    reader = dict(part.dataset.get("reader_cfg") or {})
    rows = int(spec.options["rows"][part.dataset_abbr])
    said = reader.get("test_range")
    selected = select(said, rows)
    if (part.start, part.stop) != (0, len(selected)):
        reader["test_range"] = _range(said, selected, part)
    return {**part.dataset, "reader_cfg": reader}


def _range(said: Any, selected: list[int], part: Part) -> str:
    """What OpenCompass puts behind its list of row numbers: slices follow one another.

    A number would draw anew from each part's rows, so the rows that it drew from all of them are named.
    """
    if said and not isinstance(said, str):
        return f".__class__({selected[part.start : part.stop]})"
    return f"{said or ''}[{part.start}:{part.stop}]"


def _text(values: dict[str, Any]) -> str:
    return "".join(f"{key} = {_literal(value)}\n" for key, value in values.items())


def _literal(value: Any) -> str:
    secret = FROM_ENVIRONMENT.fullmatch(value) if isinstance(value, str) else None
    # An import statement would make mmengine read the whole file lazily.
    return f"__import__('os').environ[{secret.group(1)!r}]" if secret else _plain(value, _literal)


def _plain(value: Any, inside: Callable[[Any], str] | None = None) -> str:
    """A Python expression of plain values.

    :param inside: writes the values in it.
    """
    inside = inside or _plain
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {inside(item)}" for key, item in value.items()) + "}"
    if isinstance(value, tuple):  # only ours: what a shard is told has lists
        return "(" + "".join(f"{inside(item)}, " for item in value) + ")"
    if isinstance(value, list):
        return "[" + ", ".join(map(inside, value)) + "]"
    if isinstance(value, float):
        return f"float({str(value)!r})"  # nan and inf have no literal
    return repr(value)
