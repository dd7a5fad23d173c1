"""The rows of datasets that only OpenCompass can load; runs in its interpreter, where the data are.

What is found is remembered together with the files that the loader opened, and believed as long as they stay as they
are: an import of OpenCompass takes longer than the rest of a plan.
"""

from __future__ import annotations

import hashlib
import json
import os
import traceback
from pathlib import Path
from typing import Any

from inference import memory
from inference.bridge.process import opencompass_version
from inference.problems import InputProblem
from inference.ranges import select
from inference.registry import section
from opencompass_ops.contract.probe import DatasetProbe, ProbeReport, ProbeRequest

_ADDED = ("subdivision", "idx")
"""Columns that OpenCompass adds to every row: its name and number."""


def probe_rows(request: ProbeRequest) -> ProbeReport:
    """Rows and their digest of each dataset; what is wrong with one stands in its entry.

    :param request: of OpenCompass's engine; its models do not matter.
    """
    try:
        version = opencompass_version()
    except InputProblem as problem:
        return ProbeReport(
            datasets=tuple(DatasetProbe(_abbr(config), error=str(problem)) for config in request.datasets)
        )
    cache = os.path.expanduser(request.cache_dir)  # noqa: PTH111  # of whoever runs the probe; "" stays ""
    os.environ.setdefault("COMPASS_DATA_CACHE", request.data_dir)
    datasets = tuple(_probed(config, request, cache, version) for config in request.datasets)
    return ProbeReport(datasets=datasets, versions={"opencompass": version})


def _abbr(config: dict[str, Any]) -> str:
    return str(config.get("abbr", "?"))


def _probed(config: dict[str, Any], request: ProbeRequest, cache: str, version: str) -> DatasetProbe:
    abbr = _abbr(config)
    try:
        rows, digest = _remembered(config, request.data_dir, cache, version)
        selected = len(select(section(config, "reader_cfg").get("test_range"), rows))
        if request.limit is not None and config.get("n", 1) != 1:
            raise InputProblem("limit would cut its repeated runs (n) apart; leave limit out, or say a test_range")
        kept = selected if request.limit is None else min(request.limit, selected)
        if not kept:
            raise InputProblem(f"no row is left of {rows}; check test_range and limit")
        return DatasetProbe(abbr, rows, kept, digest=digest)
    except Exception as error:  # the process's edge: whatever one loader provokes stands in its entry
        traceback.print_exception(type(error), error, error.__traceback__)
        told = str(error) if isinstance(error, InputProblem) else f"OpenCompass cannot load it ({_told(error)})"
        return DatasetProbe(abbr, error=f"dataset {abbr}: {told}")


def _told(error: Exception) -> str:
    words = " ".join(str(error).split())[:500]
    return f"{type(error).__name__}: {words}; look at its path below {os.environ['COMPASS_DATA_CACHE'] or Path.cwd()}"


def _remembered(config: dict[str, Any], data_dir: str, cache: str, version: str) -> tuple[int, str]:
    key = [_loading(config), data_dir, version]
    known = memory.recall(cache, key)
    if known is None:
        with memory.noted_files() as seen:
            known = _load(config)
        memory.keep(cache, key, known, seen)
    rows, digest = known
    return int(rows), str(digest)


def _loading(config: dict[str, Any]) -> dict[str, Any]:
    """What of a config decides about its rows; ranges of the test split are applied later."""
    reader = {key: value for key, value in section(config, "reader_cfg").items() if key != "test_range"}
    own = {key: value for key, value in config.items() if key not in ("infer_cfg", "eval_cfg", "abbr")}
    return own | {"abbr": "rows", "reader_cfg": reader, "has_examples": _has_examples(config)}


def _has_examples(config: dict[str, Any]) -> bool:
    retriever = section(section(config, "infer_cfg"), "retriever").get("type", "")
    return not str(retriever).endswith("ZeroRetriever")


def _load(config: dict[str, Any]) -> tuple[int, str]:
    from mmengine.config import ConfigDict
    from opencompass.utils import build_dataset_from_cfg

    loading = _loading(config)
    has_examples = loading.pop("has_examples")
    dataset = build_dataset_from_cfg(ConfigDict(loading))
    digest = hashlib.sha256()
    for rows in [dataset.test, dataset.train] if has_examples else [dataset.test]:
        for row in rows:
            content = {key: value for key, value in row.items() if key not in _ADDED}
            digest.update(json.dumps(content, sort_keys=True, default=str).encode() + b"\n")
        digest.update(b"\n")
    return len(dataset.test), digest.hexdigest()
