"""Which models meet which datasets, and whether the probe found them usable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opencompass_ops.contract.probe import DatasetProbe, ModelProbe, ProbeReport, RequestProbe
from opencompass_ops.culprits import together
from opencompass_ops.errors import PlanError

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """One model and the datasets it answers; the unit that a partitioner splits."""

    model: str
    datasets: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """A usable probe report by name.

    :param requests: by (model, dataset).
    """

    models: Mapping[str, ModelProbe]
    datasets: Mapping[str, DatasetProbe]
    requests: Mapping[tuple[str, str], RequestProbe]


def select(models: Sequence[Config], datasets: Sequence[Config], combinations: Sequence[Config]) -> tuple[Group, ...]:
    """The groups in OpenCompass's order: combination by combination, model by model; each pair once.

    :param combinations: ``{"models": [abbr, ...], "datasets": [abbr, ...]}`` each; empty for all x all.
    :raises PlanError: no pair is selected, or a combination names what is not configured.
    """
    known_models = [str(model["abbr"]) for model in models]
    known_datasets = [str(dataset["abbr"]) for dataset in datasets]
    everything = [{"models": known_models, "datasets": known_datasets}]
    seen: set[tuple[str, str]] = set()
    groups = []
    for combination in combinations or everything:
        _check_names(combination["models"], known_models, "models")
        _check_names(combination["datasets"], known_datasets, "datasets")
        for model in combination["models"]:
            new = [name for name in dict.fromkeys(combination["datasets"]) if (model, name) not in seen]
            seen.update((model, name) for name in new)
            if new:
                groups.append(Group(model, tuple(new)))
    if not groups:
        raise PlanError(
            f"No model x dataset pair is selected ({len(models)} models, {len(datasets)} datasets); "
            "name at least one of each in the config"
        )
    return tuple(groups)


def _check_names(names: Sequence[str], known: Sequence[str], kind: str) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise PlanError(
            f"model_dataset_combinations names {', '.join(unknown)}, which are not among the {kind} "
            f"({', '.join(known)}); add them to {kind} or take them out"
        )


def usable(report: ProbeReport, groups: Sequence[Group]) -> Facts:
    """The report by name.

    :raises PlanError: lists every model, dataset and pair of the groups that cannot be used, with its reason.
    """
    models = {probe.abbr: probe for probe in report.models}
    datasets = {probe.abbr: probe for probe in report.datasets}
    requests = {(probe.model, probe.dataset): probe for probe in report.requests if probe.digest}
    model_problems = {name: _model_problem(models.get(name)) for name in dict.fromkeys(g.model for g in groups)}
    names = dict.fromkeys(name for group in groups for name in group.datasets)
    dataset_problems = {name: _dataset_problem(datasets.get(name)) for name in names}
    problems = together(_wrong(model_problems), "model")
    problems += together(_wrong(dataset_problems), "dataset", {name: probe.missing for name, probe in datasets.items()})
    problems += [
        f"{group.model} x {name}: its requests could not be rendered; look at the probe's messages"
        for group in groups
        for name in group.datasets
        if not (model_problems[group.model] or dataset_problems[name] or requests.get((group.model, name)))
    ]
    if problems:
        head = "Nothing was started, because not everything is usable:\n- "
        raise PlanError(head + "\n- ".join(problems), problems)
    return Facts(models, datasets, requests)


def _wrong(problems: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, problem) for name, problem in problems.items() if problem]


def _model_problem(probe: ModelProbe | None) -> str:
    if probe is None:
        return "the probe did not report on it; run it again"
    if not probe.error and not probe.weights_id:
        return "the probe found no weights; check its path"
    return probe.error


def _dataset_problem(probe: DatasetProbe | None) -> str:
    if probe is None:
        return "the probe did not report on it; run it again"
    if not probe.error and probe.selected < 1:
        return f"test_range leaves none of its {probe.rows} rows; widen it"
    return probe.error
