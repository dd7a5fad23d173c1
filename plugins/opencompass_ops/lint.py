"""What about a config would fail later, told before a GPU is used: its text, its data, its weights, its plan.

An evaluation is planned as a run would plan it; of a file that only describes datasets or models, those are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.configs.bases import opencompass_configs
from opencompass_ops.configs.custom import with_custom_datasets
from opencompass_ops.configs.findings import Content, Finding, content, findings
from opencompass_ops.configs.load import LoadedConfig, load
from opencompass_ops.configs.names import dataset_abbr, model_abbr
from opencompass_ops.configs.resolve import Entry, EvalConfig, fingerprint
from opencompass_ops.errors import ConfigError, OpsError
from opencompass_ops.instance import absolute
from opencompass_ops.planning.sections import LOCAL
from opencompass_ops.prepare import load_cluster, look_at, prepare
from opencompass_ops.publishing import KEY as SUITE
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
    elif cluster:
        is_wrong = any(finding.is_error for finding in found)
        if described.is_evaluation and not is_wrong:
            config = f"{loaded.path.stem}@{DRAFT}" if SUITE in loaded.values else str(loaded.path)
            found += _as_run(config, params, database_url)
        elif described.models or described.datasets:
            found += _as_parts(loaded, described, cluster)
    return Looked(loaded.path, len(described.models), len(described.datasets), tuple(dict.fromkeys(found)))


def _as_cluster(loaded: LoadedConfig) -> list[Finding]:
    try:
        load_cluster(str(loaded.path))
    except ConfigError as error:
        return [Finding(str(error))]
    return []


def _as_run(config: str, params: dict[str, Any], database_url: str) -> list[Finding]:
    """What a dry run says; its warnings are those of the plan."""
    asked = params | {"config": config, "dry_run": True}
    try:
        prepared = prepare(asked, database_url=database_url, say=lambda line: None)
    except OpsError as error:
        lines = str(error).splitlines()
        listed = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
        return [Finding(line) for line in listed or [" ".join(lines)]]
    return [Finding(warning, is_error=False) for warning in prepared.plan.warnings]


def _as_parts(loaded: LoadedConfig, described: Content, cluster: ClusterConfig) -> list[Finding]:
    """What the probe says of each model and dataset that has a name."""
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
        report = look_at(config, cluster)
    except OpsError as error:
        return [Finding(str(error))]
    told = [
        *((f"model {model.abbr}", model.error, model.bridge) for model in report.models),
        *((f"dataset {dataset.abbr}", dataset.error, dataset.bridge) for dataset in report.datasets),
    ]
    return [
        *(Finding(error) for _, error, _ in told if error),
        *(
            Finding(f"{what}: {why}; OpenCompass itself runs it", False)
            for what, error, why in told
            if why and not error
        ),
    ]


def _named(entries: list[Entry], name: Callable[[Entry], str]) -> list[Entry]:
    named = []
    for entry in entries:
        with suppress(ConfigError):  # that it has no name is a finding already
            named.append({**entry, "abbr": name(entry)})
    return named
