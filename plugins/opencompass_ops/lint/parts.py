"""What the probe says of models and datasets, whether or not they make an evaluation together."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from opencompass_ops.configs.bases import opencompass_configs
from opencompass_ops.configs.custom import with_custom_datasets
from opencompass_ops.configs.defined import OF_OPENCOMPASS, defines, registers, unregistered_name
from opencompass_ops.configs.findings import Content, Finding, package_of
from opencompass_ops.configs.load import LoadedConfig
from opencompass_ops.configs.names import dataset_abbr, model_abbr
from opencompass_ops.configs.resolve import EvalConfig, fingerprint
from opencompass_ops.contract.probe import ProbeReport, UnknownName
from opencompass_ops.culprits import together
from opencompass_ops.errors import OpsError
from opencompass_ops.lint.stages import Stages, named
from opencompass_ops.planning.judging import with_section_judges
from opencompass_ops.prepare import look_at


def parts_findings(loaded: LoadedConfig, described: Content, stages: Stages) -> list[Finding]:
    """What is wrong with each model and dataset that has a name, errors first."""
    cluster = stages.infer
    whole = with_custom_datasets(
        replace(loaded, values={"datasets": described.datasets}), Path(cluster.data_dir or ".")
    )
    if whole.error:
        return [Finding(whole.error.removeprefix(f"{loaded.path}: "))]
    config = EvalConfig(
        models=named(described.models, model_abbr),
        datasets=named(whole.values["datasets"], dataset_abbr),
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
    return _told(report, package_of(opencompass_configs()))


def _told(report: ProbeReport, package: Path | None) -> list[Finding]:
    """One finding for each thing that is wrong or worth a look, whoever shares it; errors first."""
    nobodys = [name for name in report.unknown if package and _is_nobodys(name, package)]
    owners = {name.owner for name in nobodys}
    why = _why_bridged(report)
    errors: list[str] = []
    bridged: list[str] = []
    missing = {dataset.abbr: dataset.missing for dataset in report.datasets}
    for kind, probed in (("model", report.models), ("dataset", report.datasets)):
        undefined = [(_abbr(name), _said(name, package)) for name in nobodys if package and _is_bare(name, kind)]
        own = {one.abbr: why.get(f"{kind} {one.abbr}", ()) for one in probed}
        told = [
            (one.abbr, one.error)
            for one in probed
            # that only OpenCompass could run what nobody has is no second thing
            if one.error and not (f"{kind} {one.abbr}" in owners and one.error.startswith(tuple(own[one.abbr])))
        ]
        errors += [*together(undefined, kind), *together(told, kind, missing if kind == "dataset" else None)]
        sound = [one.abbr for one in probed if not one.error and f"{kind} {one.abbr}" not in owners]
        bridged += together([(abbr, reason) for abbr in sound for reason in own[abbr]], kind)
    return [*map(Finding, errors), *(Finding(f"{said}; OpenCompass itself runs it", False) for said in bridged)]


def _why_bridged(report: ProbeReport) -> dict[str, list[str]]:
    """By model and dataset, why only OpenCompass can run it; what is said of a model is not said of its pairs again."""
    of_models = {model.abbr: model.bridge for model in report.models if model.bridge}
    told = [(f"model {abbr}", reason) for abbr, reason in of_models.items()]
    told += [(f"dataset {dataset.abbr}", dataset.bridge) for dataset in report.datasets if dataset.bridge]
    told += [
        (f"dataset {pair.dataset}", reason)
        for pair in report.requests
        for reason in (pair.bridge, pair.eval_bridge)
        if reason and reason != of_models.get(pair.model)
    ]
    found: dict[str, list[str]] = {}
    for owner, reason in dict.fromkeys(told):
        found.setdefault(owner, []).append(reason)
    return found


def _is_nobodys(name: UnknownName, package: Path) -> bool:
    """Whether OpenCompass has the name no more than we."""
    if OF_OPENCOMPASS.fullmatch(name.name):
        return not defines(name.name.rpartition(".")[2], package)
    return "." not in name.name and not registers(name.name, name.what, package)


def _is_bare(name: UnknownName, kind: str) -> bool:
    """Dotted names are findings of the text already."""
    return "." not in name.name and name.owner.startswith(f"{kind} ")


def _abbr(name: UnknownName) -> str:
    return name.owner.partition(" ")[2]


def _said(name: UnknownName, package: Path) -> str:
    return f"{name.place or 'type'} ({name.name}): {unregistered_name(name.name, name.what, package)}"


def _judged(config: EvalConfig, loaded: LoadedConfig) -> EvalConfig:
    """The config, its datasets told who judges them, where its ``eval`` section can be read."""
    section = loaded.values.get("eval")
    with suppress(OpsError):
        datasets = with_section_judges(section if isinstance(section, dict) else {}, config.models, config.datasets)
        return replace(config, datasets=datasets)
    return config
