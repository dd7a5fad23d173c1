"""Look at configs: an evaluation is planned as a run would plan it, a file of datasets or models is looked at alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.configs.bases import opencompass_configs
from opencompass_ops.configs.custom import with_custom_datasets
from opencompass_ops.configs.findings import Content, Finding, content, findings
from opencompass_ops.configs.load import LoadedConfig, load
from opencompass_ops.errors import ConfigError, OpsError
from opencompass_ops.instance import absolute
from opencompass_ops.lint.parts import parts_findings
from opencompass_ops.lint.stages import Stages, refused, sections, stages, summarizer_findings
from opencompass_ops.planning.parameter import LOCAL
from opencompass_ops.planning.request import Request
from opencompass_ops.prepare import prepare
from opencompass_ops.publishing import KEY as SUITE
from opencompass_ops.publishing import requested
from opencompass_ops.resolved import load_cluster
from opencompass_ops.suites import DRAFT

_BELOW_A_CLUSTER = "clusters"


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
    elif described.is_evaluation:
        found += _as_evaluation(loaded, described, params, found, cluster, database_url)
    elif cluster and (described.models or described.datasets):
        found += parts_findings(loaded, described, Stages(cluster, cluster))
    return Looked(loaded.path, len(described.models), len(described.datasets), tuple(dict.fromkeys(found)))


def _as_cluster(loaded: LoadedConfig) -> list[Finding]:
    try:
        load_cluster(str(loaded.path))
    except ConfigError as error:
        return [Finding(str(error))]
    return []


def _as_evaluation(
    loaded: LoadedConfig,
    described: Content,
    params: dict[str, Any],
    found: list[Finding],
    cluster: ClusterConfig | None,
    database_url: str,
) -> list[Finding]:
    """What each part says; where nothing is wrong, what a dry run says, which ends at the first refusal.

    :param found: what the text told already.
    """
    asked = params | {"config": f"{loaded.path.stem}@{DRAFT}" if SUITE in loaded.values else str(loaded.path)}
    told = summarizer_findings(loaded, described)
    try:
        request = Request.from_params(requested(asked))
    except OpsError as error:
        told, request = told + refused(error), Request()
    obeyed = sections(loaded, described, request)
    told += obeyed.findings
    if cluster is None:
        return told
    places = stages(obeyed, request)
    told += places.findings
    parts = parts_findings(loaded, described, places)
    if any(finding.is_error for finding in (*found, *told, *parts)):
        return told + parts
    return told + _as_run(asked, database_url)  # who runs what is a dry run's to say


def _as_run(asked: dict[str, Any], database_url: str) -> list[Finding]:
    """What a dry run says; its warnings are those of the plan."""
    try:
        prepared = prepare(asked | {"dry_run": True}, database_url=database_url, say=lambda line: None)
    except OpsError as error:
        return refused(error)
    return [Finding(warning, is_error=False) for warning in prepared.plan.warnings]
