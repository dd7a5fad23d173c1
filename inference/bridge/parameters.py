"""The parameter file of OpenCompass's task modules: a Python config of one model and its datasets.

Secrets stay out of it: a text ``ENV:NAME`` of a config becomes an expression that reads the job's environment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
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
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, float):
        return f"float({str(value)!r})"  # nan and inf have no literal
    secret = FROM_ENVIRONMENT.fullmatch(value) if isinstance(value, str) else None
    # An import statement would make mmengine read the whole file lazily.
    return f"__import__('os').environ[{secret.group(1)!r}]" if secret else repr(value)
