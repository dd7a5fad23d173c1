"""What about a config would fail later, told before a GPU is used: its text, its data, its weights, its plan.

An evaluation is planned as a run would plan it; of a file that only describes datasets or models, those are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opencompass_ops.asked import models_for
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.configs.bases import opencompass_configs
from opencompass_ops.configs.custom import with_custom_datasets
from opencompass_ops.configs.defined import defines, unknown_name
from opencompass_ops.configs.findings import Content, Finding, content, findings, package_of
from opencompass_ops.configs.load import LoadedConfig, load
from opencompass_ops.configs.names import dataset_abbr, model_abbr
from opencompass_ops.configs.resolve import Entry, EvalConfig, fingerprint
from opencompass_ops.errors import ConfigError, OpsError
from opencompass_ops.instance import absolute
from opencompass_ops.planning.judging import with_section_judges
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.sections import DLC, EVAL, INFER, LOCAL, eval_stage, infer_stage
from opencompass_ops.prepare import look_at, prepare
from opencompass_ops.publishing import KEY as SUITE
from opencompass_ops.publishing import requested
from opencompass_ops.resolved import load_cluster, stage_cluster
from opencompass_ops.srun_options import with_srun_options
from opencompass_ops.suites import DRAFT

_BELOW_A_CLUSTER = "clusters"
_UNKNOWN = re.compile(r"unknown (?:model|dataset|retriever|inferencer|evaluator|prompt template) type '([\w.]+)'")
"""What the probe says of a name that neither we nor a site's extensions have (``inference/registry.py``)."""


@dataclass(frozen=True)
class Looked:
    """What was found in one file.

    :param path: the file.
    :param models: how many it describes.
    :param datasets: how many it describes.
    """

    path: Path
    models: int
    datasets: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing would fail."""
        return not any(finding.is_error for finding in self.findings)

    def to_values(self) -> dict[str, Any]:
        """Plain JSON values."""
        said = [{"error" if finding.is_error else "warning": finding.says} for finding in self.findings]
        return {
            "file": str(self.path),
            "ok": self.ok,
            "models": self.models,
            "datasets": self.datasets,
            "findings": said,
        }

    def __str__(self) -> str:
        """One line per finding, or one that says what was looked at."""
        lines = [f"{self.path}: {finding}" for finding in self.findings]
        if self.ok:
            lines.append(f"{self.path}: ok ({self.models} models, {self.datasets} datasets)")
        return "\n".join(lines)


def lint(
    paths: Sequence[Path],
    params: Mapping[str, Any],
    *,
    database_url: str,
    look_at_files: bool = True,
) -> list[Looked]:
    """Look at configs.

    :param paths: evaluations, or files that describe models, datasets, summarizers or a cluster.
    :param params: what a run would be given besides the config: ``cluster``, ``cfg_options``, ``config_dir``.
    :param database_url: where earlier predictions are looked up.
    :param look_at_files: whether data and weights are looked at, where the cluster config says they lie.
    :raises ConfigError: the cluster config that is asked for is wrong.
    """
    cluster = load_cluster(params.get("cluster") or LOCAL) if look_at_files else None
    folders = [absolute(params["config_dir"])] if params.get("config_dir") else []
    data_dir = Path(cluster.data_dir or ".") if cluster else None
    read = load(
        paths,
        cfg_options=params.get("cfg_options") or (),
        config_dirs=folders,
        data_dir=data_dir if data_dir and data_dir.is_dir() else None,
    )
    typed = [with_custom_datasets(loaded, data_dir or Path()) for loaded in read]
    return [_look(loaded, dict(params), cluster, database_url) for loaded in typed]


def _look(loaded: LoadedConfig, params: dict[str, Any], cluster: ClusterConfig | None, database_url: str) -> Looked:
    found = findings(loaded, opencompass_configs())
    described = content(loaded.values)
    if not loaded.error and loaded.path.parent.name == _BELOW_A_CLUSTER:
        found += _as_cluster(loaded)
    elif cluster and described.is_evaluation:
        found += _as_evaluation(loaded, described, params, found, database_url)
    elif cluster and (described.models or described.datasets):
        found += _as_parts(loaded, described, _Stages(cluster, cluster), found)
    return Looked(loaded.path, len(described.models), len(described.datasets), tuple(dict.fromkeys(found)))


def _as_cluster(loaded: LoadedConfig) -> list[Finding]:
    try:
        load_cluster(str(loaded.path))
    except ConfigError as error:
        return [Finding(str(error))]
    return []


@dataclass(frozen=True)
class _Stages:
    """Where the two stages of a run would go.

    :param findings: why one cannot go where its section says; it is looked at on this host then.
    """

    infer: ClusterConfig
    scoring: ClusterConfig
    findings: tuple[Finding, ...] = ()


def _as_evaluation(
    loaded: LoadedConfig, described: Content, params: dict[str, Any], found: list[Finding], database_url: str
) -> list[Finding]:
    """What a dry run says; where something is wrong, what each part says too, because a run ends at the first."""
    asked = params | {"config": f"{loaded.path.stem}@{DRAFT}" if SUITE in loaded.values else str(loaded.path)}
    try:
        stages = _stages(loaded, described, Request.from_params(requested(asked)))
    except OpsError as error:
        return _refused(error)
    told = list(stages.findings)
    if not any(finding.is_error for finding in (*found, *told)):
        told = _as_run(asked, database_url)
    parts = _as_parts(loaded, described, stages, found) if told or found or _package() else []
    told = [finding for finding in told if "." in (_undefined(finding.says) or ".")]  # the parts say it better
    if any(finding.is_error for finding in (*found, *told)):
        return told + parts
    return told + [finding for finding in parts if finding.is_error]  # the plan has told the rest


def _stages(loaded: LoadedConfig, described: Content, request: Request) -> _Stages:
    """What is wrong with each stage's section and with each model's ``run_cfg``."""
    here = load_cluster(LOCAL if request.cluster in (None, DLC) else str(request.cluster))
    known = {here.name: here}
    told: list[Finding] = []
    places = [here, here]
    infer = infer_stage(None, request)
    for index, name in enumerate((INFER, EVAL)):
        section = loaded.values.get(name)
        if section is not None and not isinstance(section, dict):
            continue  # a finding of the text already
        try:
            stage = infer_stage(section, request) if name == INFER else eval_stage(section, request, infer)
            places[index] = stage_cluster(with_srun_options(name, stage, request), request, known)
        except OpsError as error:
            told += _refused(error)
            places[index] = places[0]
        else:
            infer = stage
    for model in _named(described.models, model_abbr):
        try:
            models_for(infer, [model])
        except OpsError as error:
            told += _refused(error)
    return _Stages(places[0], places[1], tuple(told))


def _refused(error: OpsError) -> list[Finding]:
    """One finding for each culprit that stands for itself, else one for all."""
    head, *items = str(error).split("\n- ")
    if items and head.startswith("Nothing was started"):
        return [Finding(" ".join(item.split("\n"))) for item in items]
    return [Finding(" ".join(f"{head} {'; '.join(items)}".split("\n")).rstrip())]


def _package() -> Path | None:
    return package_of(opencompass_configs())


def _as_run(asked: dict[str, Any], database_url: str) -> list[Finding]:
    """What a dry run says; its warnings are those of the plan."""
    try:
        prepared = prepare(asked | {"dry_run": True}, database_url=database_url, say=lambda line: None)
    except OpsError as error:
        return _refused(error)
    return [Finding(warning, is_error=False) for warning in prepared.plan.warnings]


def _as_parts(loaded: LoadedConfig, described: Content, stages: _Stages, found: list[Finding]) -> list[Finding]:
    """What the probe says of each model and dataset that has a name.

    :param found: what was told already, and is not told again in the probe's words.
    """
    cluster = stages.infer
    whole = with_custom_datasets(
        replace(loaded, values={"datasets": described.datasets}), Path(cluster.data_dir or ".")
    )
    if whole.error:
        return [Finding(whole.error.removeprefix(f"{loaded.path}: "))]
    config = EvalConfig(
        models=_named(described.models, model_abbr),
        datasets=_named(whole.values["datasets"], dataset_abbr),
        summarizer=None,
        work_dir=None,
        infer=None,
        eval=None,
        model_dataset_combinations=[],
        path=loaded.path,
        fingerprint=fingerprint(loaded),
    )
    try:
        report = look_at(_judged(config, loaded), cluster, stages.scoring)
    except OpsError as error:
        return [Finding(str(error))]
    told = [
        *((f"model {model.abbr}", model.error, model.bridge) for model in report.models),
        *((f"dataset {dataset.abbr}", dataset.error, dataset.bridge) for dataset in report.datasets),
        *((f"dataset {pair.dataset}", "", why) for pair in report.requests for why in (pair.bridge, pair.eval_bridge)),
    ]
    said = [finding for what, error, why in told for finding in _told(what, error, why, found)]
    return sorted(dict.fromkeys(said), key=lambda finding: not finding.is_error)


def _told(what: str, error: str, why: str, found: list[Finding]) -> list[Finding]:
    """What was said of a model or dataset; a name that nothing has is one finding, whoever else could run it.

    :param why: why only OpenCompass itself can run it.
    """
    kind, package = _undefined(error or why), _package()
    if kind and any(f"({kind})" in finding.says for finding in found):
        return []
    if kind and package and "." not in kind:
        return [Finding(f"{what}: {unknown_name(kind, package)}")]
    if error:
        return [Finding(error)]
    return [Finding(f"{what}: {why}; OpenCompass itself runs it", False)] if why else []


def _undefined(says: str) -> str:
    """The type of a message that we do not know, if the OpenCompass at hand has none of its name either; else ""."""
    unknown, package = _UNKNOWN.search(says), _package()
    kind = unknown[1] if unknown else ""
    return kind if package and not defines(kind.rsplit(".", 1)[-1], package) else ""


def _judged(config: EvalConfig, loaded: LoadedConfig) -> EvalConfig:
    """The config, its datasets told who judges them, where its ``eval`` section can be read."""
    section = loaded.values.get("eval")
    with suppress(OpsError):
        datasets = with_section_judges(section if isinstance(section, dict) else {}, config.models, config.datasets)
        return replace(config, datasets=datasets)
    return config


def _named(entries: list[Entry], name: Callable[[Entry], str]) -> list[Entry]:
    named = []
    for entry in entries:
        with suppress(ConfigError):  # that it has no name is a finding already
            named.append({**entry, "abbr": name(entry)})
    return named
