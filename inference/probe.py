"""What a plan must know of data and weights, asked where they live and without loading a model."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import sys
import traceback
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

from inference.build import build_requests, model_family
from inference.demands import check_demands
from inference.identity import (
    bridged_identity,
    local_model,
    located,
    located_if_there,
    model_problem,
    tokenizer_identity,
    weights_identity,
    weights_size,
)
from inference.judge import judge_of_environment, leaves_judge_open
from inference.names import unknown_in_dataset, unknown_in_model
from inference.native import Gaps, code_runner, gaps, model_gap, model_scoring_gap, unscorable
from inference.problems import InputProblem, MissingData, NotNative
from inference.registry import section
from inference.remembered_rows import RememberedRows
from inference.requests import ChoiceRequest, RankingRequest, Request, SurpriseRequest
from inference.runs import read_runs
from inference.sizes import check_dataset_sizes, check_model_sizes
from opencompass_ops.contract import codec
from opencompass_ops.contract.probe import (
    DatasetProbe,
    ModelProbe,
    ProbeReport,
    ProbeRequest,
    RequestProbe,
    UnknownName,
)
from opencompass_ops.contract.spec import OPENCOMPASS

_PACKAGES = ("torch", "transformers", "numpy")


def main_probe() -> int:
    """Answer the request on stdin with a report on stdout; 0, because problems stand in the report."""
    with redirect_stdout(sys.stderr):  # what libraries print is no part of the report
        request = ProbeRequest.from_json(sys.stdin.buffer.read())
        report = _bridged(request) if request.engine == OPENCOMPASS else probe(request)
    sys.stdout.buffer.write(report.to_json().encode())
    return 0


def probe(request: ProbeRequest) -> ProbeReport:
    """Identity and readiness of each model, rows of each dataset, digest of each pair's requests.

    What is wrong with one model or dataset stands in its entry and hides nothing of the others. What only OpenCompass
    can do is said of each pair; rows of a dataset that it must load are not counted here.
    """
    cache_dir = os.path.expanduser(request.cache_dir)  # noqa: PTH111  # of whoever runs the probe; "" stays ""
    models = tuple(_model(model, request, cache_dir) for model in request.models)
    usable = {model.abbr for model in models if not model.error}
    datasets, requests = [], []
    for config in request.datasets:
        dataset, pairs = _dataset(config, request, RememberedRows(config, request.data_dir, cache_dir), usable)
        datasets.append(dataset)
        requests += pairs
    return ProbeReport(
        models=models,
        datasets=tuple(datasets),
        requests=tuple(requests),
        versions=_versions(),
        unknown=_unknown(request),
    )


def _unknown(request: ProbeRequest) -> tuple[UnknownName, ...]:
    try:
        of_models = [name for config in request.models for name in unknown_in_model(config)]
        return (*of_models, *(name for config in request.datasets for name in unknown_in_dataset(config)))
    except InputProblem:  # of a site's extension that cannot be read, which every entry says already
        return ()


def request_digest(requests: list[Request]) -> str:
    """sha256 (hex) of the prompts, labels and references of requests, in order."""
    digest = hashlib.sha256()
    for request in requests:
        digest.update(json.dumps(_content(request), sort_keys=True, default=str).encode() + b"\n")
    return digest.hexdigest()


def _content(request: Request) -> list[Any]:
    if isinstance(request, RankingRequest):
        how = ["ppl"] if request.continuation is None else ["ll", request.continuation]
        return [request.gold, *how, request.labels, request.prompts]
    if isinstance(request, ChoiceRequest):
        return [request.gold, "clp", request.choices, request.prompt]
    if isinstance(request, SurpriseRequest):
        return ["surprise", request.prompt]
    return [request.gold, "gen", request.prompt]


def _bridged(request: ProbeRequest) -> ProbeReport:
    from inference.bridge.rows import probe_rows

    return probe_rows(request)


def _model(model_cfg: dict[str, Any], request: ProbeRequest, cache_dir: str) -> ModelProbe:
    abbr = str(model_cfg.get("abbr", "?"))
    try:
        check_model_sizes(model_cfg)
        check_demands(model_cfg)
        model_scoring_gap(model_cfg)
        gap = model_gap(model_cfg)
        try:
            return _checkpoint(abbr, model_cfg, request.data_dir, cache_dir, gap)
        except (InputProblem, OSError):
            if request.weights_may_be_gone:
                return ModelProbe(abbr, bridge=gap)
            raise
    except Exception as error:  # the process's edge: whatever one model's config provokes stands in its entry
        return ModelProbe(abbr=abbr, error=f"model {abbr}: {_told(error)}")


def _checkpoint(abbr: str, model_cfg: dict[str, Any], data_dir: str, cache_dir: str, gap: str) -> ModelProbe:
    if gap:
        identities = bridged_identity(located_if_there(model_cfg, data_dir), cache_dir)
        return ModelProbe(abbr, *identities, bridge=gap)
    config = located(model_cfg, data_dir)
    folder = local_model(config.get("path"))
    problem = model_problem(folder)
    if problem:
        raise InputProblem(problem)
    return ModelProbe(
        abbr=abbr,
        weights_id=weights_identity(folder, cache_dir),
        tokenizer_id=tokenizer_identity(config.get("tokenizer_path") or folder),
        weights_bytes=weights_size(folder),
    )


def _dataset(
    config: dict[str, Any], request: ProbeRequest, rows: RememberedRows, usable: set[str]
) -> tuple[DatasetProbe, list[RequestProbe]]:
    abbr = str(config.get("abbr", "?"))
    total = 0
    models = [model for model in request.models if model.get("abbr") in usable]
    try:
        found = gaps(config)
        evaluator = section(config, "eval_cfg").get("evaluator")
        judged: dict[str, Any] = {"judge": judge_of_environment(evaluator), "open_judge": leaves_judge_open(evaluator)}
        if found.loader:
            told = DatasetProbe(abbr, bridge=found.loader, unscorable=unscorable(config), runs_code=code_runner(config))
            return told, [replace(_unloaded(model, abbr, found), **judged) for model in models]
        total, selected = rows.counts()
        if request.limit is not None and read_runs(config).n > 1:
            raise InputProblem(f"dataset {abbr}: limit would cut its runs (n) apart; leave it out, or use test_range")
        selected = selected if request.limit is None else min(request.limit, selected)
        if not selected:
            raise InputProblem(f"dataset {abbr}: no row is left of {total}; check test_range and limit")
        pairs = [replace(_pair(model, config, found, rows, request.limit), **judged) for model in models]
        bridged = {pair.model for pair in pairs if pair.bridge}
        native = [model for model in models if model["abbr"] not in bridged]
        if native:
            check_dataset_sizes(config, native)
        told = DatasetProbe(abbr, total, selected, unscorable=unscorable(config), runs_code=code_runner(config))
        return told, pairs
    except Exception as error:  # the process's edge: whatever one dataset's config provokes stands in its entry
        named = _told(error) if isinstance(error, InputProblem) else f"dataset {abbr}: {_told(error)}"
        folder = error.folder if isinstance(error, MissingData) else ""
        return DatasetProbe(abbr=abbr, rows=total, error=named, missing=folder), []


def _unloaded(model: dict[str, Any], dataset: str, found: Gaps) -> RequestProbe:
    return RequestProbe(str(model["abbr"]), dataset, "", found.loader, found.loader)


def _pair(
    model: dict[str, Any], config: dict[str, Any], found: Gaps, rows: RememberedRows, limit: int | None
) -> RequestProbe:
    names = str(model["abbr"]), str(config.get("abbr", "?"))
    eval_bridge = found.scoring or model_scoring_gap(model)
    bridge = found.infer or model_gap(model)
    if not bridge:
        try:
            return RequestProbe(*names, _request_digest(model, config, rows, limit), "", eval_bridge)
        except NotNative as gap:
            bridge = str(gap)
    digest = rows.remembered("rows", lambda loaded: codec.digest([loaded.train, loaded.test]))
    return RequestProbe(*names, digest, bridge, eval_bridge)


def _request_digest(model: dict[str, Any], dataset: dict[str, Any], rows: RememberedRows, limit: int | None) -> str:
    """By what of a model shows in prompts: checkpoints of one model share theirs."""
    shown = [model_family(model), model.get("meta_template"), limit]
    found = rows.remembered(shown, lambda loaded: request_digest(build_requests(model, dataset, loaded, limit)))
    return str(found)


def _told(error: Exception) -> str:
    if isinstance(error, (InputProblem, OSError)):
        return str(error)
    traceback.print_exception(error)
    return f"{type(error).__name__}: {error}; its config has a shape nobody thought of, see the probe's log"


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = ""
    return versions
