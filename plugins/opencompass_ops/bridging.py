"""What is left to OpenCompass: the rows of datasets that only it can load, the tables that only it can make."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.software import OpenCompass
from opencompass_ops.configs.masking import is_secret_key, mask
from opencompass_ops.configs.resolve import EvalConfig
from opencompass_ops.contract.probe import DatasetProbe, ProbeReport, ProbeRequest, RequestProbe
from opencompass_ops.contract.spec import OPENCOMPASS
from opencompass_ops.errors import PlanError
from opencompass_ops.probing import probe
from opencompass_ops.results.summary import foreign_summarizer

INTERPRETER = "OPENCOMPASS_OPS_OPENCOMPASS_PYTHON"
"""Names the interpreter that has OpenCompass for jobs of this host, where the cluster config names none."""


def with_own_opencompass(cluster: ClusterConfig, home: Path) -> ClusterConfig:
    """The cluster with the OpenCompass of this host, if its jobs run here and it names none itself.

    :param home: the folder that holds ``.opencompass``, as ``make opencompass-venv`` makes it.
    """
    python = os.environ.get(INTERPRETER) or str(home / ".opencompass" / "bin" / "python")
    if cluster.opencompass or cluster.kind != "local" or not os.access(python, os.X_OK):
        return cluster
    return replace(cluster, opencompass=OpenCompass(python=python))


def complete(
    report: ProbeReport, request: ProbeRequest, cluster: ClusterConfig, scoring: ClusterConfig | None
) -> ProbeReport:
    """The report with what OpenCompass says of the pairs that it must answer or score.

    Where a cluster that needs one names none, the models and datasets that need it carry an error.

    :param request: what the native probe was asked.
    :param cluster: where inference runs and the probe was asked.
    :param scoring: where evaluations run; None when there are none.
    :raises PlanError: OpenCompass cannot be asked, or a config holds a secret in the open.
    """
    if scoring:
        report = replace(report, datasets=tuple(map(_scorable, report.datasets)))
    broken = {dataset.abbr for dataset in report.datasets if dataset.error}  # nobody need look at those
    pairs = [pair for pair in report.requests if pair.dataset not in broken]
    answered = [pair for pair in pairs if pair.bridge]
    scored = [pair for pair in pairs if pair.eval_bridge] if scoring else []
    if not answered and not scored:
        return report
    lacking = [
        (needed, place.name)
        for needed, place in ((answered, cluster), (scored, scoring))
        if needed and place and place.opencompass is None
    ]
    if lacking:
        return reduce(lambda told, each: _refused(told, *each), lacking, report)
    _refuse_secrets(request, [*answered, *scored])
    unloaded = {dataset.abbr for dataset in report.datasets if dataset.bridge and not dataset.error}
    datasets = tuple(config for config in request.datasets if config["abbr"] in unloaded)
    place = cluster if cluster.opencompass or scoring is None else scoring
    return _merged(report, probe(replace(request, models=(), datasets=datasets, engine=OPENCOMPASS), place))


def tables_config(config: EvalConfig, cluster: ClusterConfig) -> dict[str, Any] | None:
    """The config by which OpenCompass's ``-m viz`` makes the tables of a summarizer that only it has; None for ours.

    :param cluster: where evaluations run.
    :raises PlanError: it has no OpenCompass.
    """
    name = foreign_summarizer(config.summarizer)
    if not config.summarizer or not name:
        return None
    if cluster.opencompass is None:
        raise PlanError(
            f"only OpenCompass itself has summarizer {name}, and cluster {cluster.name!r} names none: build it with "
            "'make opencompass-venv' (or an image), then say opencompass=dict(python='...') in the cluster config; or "
            "leave summarizer.type out for the table of all scores"
        )
    kind = str(config.summarizer["type"])
    dotted = kind if "." in kind else f"opencompass.summarizers.{kind}"
    values = {"models": config.models, "datasets": config.datasets, "summarizer": {**config.summarizer, "type": dotted}}
    said = {key: value for key, value in (("eval", config.eval), ("judge_models", config.judge_models)) if value}
    return dict(mask(values | said))


def _scorable(dataset: DatasetProbe) -> DatasetProbe:
    if not dataset.unscorable or dataset.error:
        return dataset
    return replace(dataset, error=f"{dataset.unscorable}; or take it out, or use mode infer")


def _merged(report: ProbeReport, answer: ProbeReport) -> ProbeReport:
    found = {dataset.abbr: dataset for dataset in answer.datasets}
    if not answer.versions.get("opencompass") and not found:
        raise PlanError("the interpreter of opencompass in the cluster config has none; correct opencompass.python")

    def dataset(native: DatasetProbe) -> DatasetProbe:
        if native.abbr not in found:
            return native
        told = found[native.abbr]
        return replace(told, bridge=native.bridge, error=native.error or told.error, runs_code=native.runs_code)

    def pair(native: RequestProbe) -> RequestProbe:
        return native if native.digest else replace(native, digest=found[native.dataset].digest)

    return replace(
        report,
        datasets=tuple(map(dataset, report.datasets)),
        requests=tuple(map(pair, report.requests)),
        versions=report.versions | answer.versions,
    )


def _refused(report: ProbeReport, bridged: list[RequestProbe], cluster: str) -> ProbeReport:
    """The report with an error for each model and dataset that nothing here can run."""
    models = {model.abbr: model.bridge for model in report.models if model.bridge}
    others = [pair for pair in bridged if pair.model not in models or pair.bridge != models[pair.model]]
    datasets = {pair.dataset: pair.bridge or pair.eval_bridge for pair in others}

    def said(reason: str) -> str:
        return (
            f"{reason}; only OpenCompass itself could run it, and cluster {cluster!r} names none: build it with "
            "'make opencompass-venv' (or an image), then say opencompass=dict(python='...') in the cluster config"
        )

    return replace(
        report,
        models=tuple(replace(m, error=m.error or said(m.bridge)) if m.bridge else m for m in report.models),
        datasets=tuple(
            replace(d, error=d.error or said(datasets[d.abbr])) if d.abbr in datasets else d for d in report.datasets
        ),
    )


def _refuse_secrets(request: ProbeRequest, bridged: list[RequestProbe]) -> None:
    """Specs and parameter files stay on disk for as long as the run does."""
    names = {pair.model for pair in bridged}, {pair.dataset for pair in bridged}
    configs = zip(("model", "dataset"), names, (request.models, request.datasets), strict=True)
    found = [
        f"{kind} {config['abbr']}: {place}"
        for kind, wanted, candidates in configs
        for config in candidates
        if config["abbr"] in wanted
        for place in _open_secrets(config, "")
    ]
    if found:
        raise PlanError(
            "Secrets stand in the config, and what jobs are told stays on disk. Say 'ENV' (OpenAI models) or "
            "'ENV:NAME', and put NAME under secrets of the cluster config:\n- " + "\n- ".join(found)
        )


def _open_secrets(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            inside = f"{place}.{key}" if place else str(key)
            if is_secret_key(str(key)) and isinstance(item, str) and item and not _is_reference(item):
                yield inside
            else:
                yield from _open_secrets(item, inside)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _open_secrets(item, f"{place}[{index}]")


def _is_reference(text: str) -> bool:
    return text == "ENV" or text.startswith("ENV:")
