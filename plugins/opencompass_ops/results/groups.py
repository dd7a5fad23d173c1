"""Summary groups: averages and the like over datasets, as OpenCompass's DefaultSummarizer computes them.

Kept: names of the default metrics, nesting, weights, what is skipped and what is an error. Changed:
metrics come in sorted order (OpenCompass's follows the hash seed), models may lack metrics that
others have, and ``transforms`` (Python expressions in the config) are refused, not evaluated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from opencompass_ops.errors import ConfigError

Scores = dict[str, dict[str, float]]
"""Dataset (or group) -> metric -> value, of one model."""


@dataclass(frozen=True)
class Group:
    """One entry of ``summary_groups``.

    :param subsets: ``(name, "")`` or ``(name, metric)`` each; names of datasets or earlier groups.
    :param weights: by subset, or by ``subset@metric`` for pairs.
    :param how: ``std``, ``sum``, ``weights``, ``harmonic_mean`` or ``mean``.
    :param metric: the name of the group's own metric.
    """

    name: str
    subsets: tuple[tuple[str, str], ...]
    how: str
    metric: str
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def in_pairs(self) -> bool:
        """Whether the subsets name their metrics."""
        return bool(self.subsets[0][1])


# In the order in which OpenCompass asks for them.
_DEFAULT_METRICS = {
    "std": "standard_deviation",
    "sum": "sum",
    "weights": "weighted_average",
    "harmonic_mean": "harmonic_mean",
}


def applicable(groups: Iterable[Mapping[str, Any]], datasets: Iterable[str]) -> list[Group]:
    """The groups that have at least one of their subsets in this run, in their order.

    Config libraries define hundreds of groups; those that no dataset of the run reaches are not judged.

    :param groups: ``summarizer.summary_groups`` of the config.
    :param datasets: abbrs of the run.
    :raises ConfigError: an applicable group is malformed or uses ``transforms``.
    """
    reached = set(datasets)
    found = []
    for entry in groups:
        name, subsets = _name_and_subsets(entry)
        if any(subset in reached for subset, _ in subsets):
            found.append(_parse(entry, name, subsets))
            reached.add(name)
    return found


def _name_and_subsets(entry: Mapping[str, Any]) -> tuple[str, tuple[tuple[str, str], ...]]:
    try:
        subsets = tuple((s, "") if isinstance(s, str) else (str(s[0]), str(s[1])) for s in entry["subsets"])
        return str(entry["name"]), subsets
    except (TypeError, KeyError, IndexError) as error:
        raise ConfigError(
            f"summary group {entry!r} needs 'name' and 'subsets' (a list of abbrs or of [abbr, metric]); correct it"
        ) from error


def _parse(entry: Mapping[str, Any], name: str, subsets: tuple[tuple[str, str], ...]) -> Group:
    if entry.get("transforms"):
        raise ConfigError(
            f"summary group {name!r} uses 'transforms': Python expressions in a config are not evaluated here; "
            "remove them from the group, or summarise this run directory with OpenCompass"
        )
    if len({bool(metric) for _, metric in subsets}) > 1:
        raise ConfigError(f"summary group {name!r} mixes abbrs and [abbr, metric] pairs; write all subsets one way")
    how = next((key for key in _DEFAULT_METRICS if entry.get(key)), "mean")
    metric = str(entry.get("metric") or _DEFAULT_METRICS.get(how, "naive_average"))
    weights = _weights(name, entry.get("weights") or {}, subsets) if how == "weights" else {}
    return Group(name, subsets, how, metric, weights)


def _weights(name: str, weights: Any, subsets: tuple[tuple[str, str], ...]) -> dict[str, float]:
    allowed = {subset for subset, _ in subsets} | {f"{subset}@{metric}" for subset, metric in subsets if metric}
    usable = isinstance(weights, Mapping) and all(isinstance(weight, int | float) for weight in weights.values())
    if not usable or not sum(weights.values()):
        raise ConfigError(
            f"summary group {name!r}: weights {weights!r} must map subsets to numbers whose sum is not 0; correct them"
        )
    unknown = sorted(set(weights) - allowed)
    if unknown:
        raise ConfigError(f"summary group {name!r} weighs {unknown}, which are no subsets of it; correct the names")
    return dict(weights)


def score(group: Group, scores: Scores, metrics: Mapping[str, Sequence[str]]) -> dict[str, float] | str:
    """The group's metrics for one model.

    :param scores: of the model, groups computed before included.
    :param metrics: the metrics of each dataset and group over all models, in order; the first one
        is what a subset without a named metric contributes.
    :returns: metric -> value; the error for the raw section when some subsets are missing; an empty
        dict when all are.
    """
    wanted = [(subset, metric or next(iter(metrics.get(subset, ())), "")) for subset, metric in group.subsets]
    missing = [
        subset if not named else (subset, named)
        for (subset, metric), (_, named) in zip(wanted, group.subsets, strict=True)
        if metric not in scores.get(subset, {})
    ]
    if len(missing) == len(wanted):
        return {}
    if missing:
        return f"missing metrics: {missing}"
    found = {}
    for metric in _common(group, metrics):
        if all(metric in scores[subset] for subset, _ in wanted):
            found[metric] = _combine(group, {subset: scores[subset][metric] for subset, _ in wanted})
    found[group.metric] = _combine(group, {_key(pair, group): scores[pair[0]][pair[1]] for pair in wanted})
    return found


def mode(group: Group, modes: Mapping[str, str]) -> str:
    """The mode that all subsets share, else ``mixed``."""
    seen = {modes.get(subset, "unknown") for subset, _ in group.subsets}
    return seen.pop() if len(seen) == 1 else "mixed"


def _common(group: Group, metrics: Mapping[str, Sequence[str]]) -> list[str]:
    if group.in_pairs:
        return []
    common = set.intersection(*(set(metrics[subset]) for subset, _ in group.subsets))
    return sorted(common - {group.metric})


def _key(pair: tuple[str, str], group: Group) -> str:
    return "@".join(pair) if group.in_pairs else pair[0]


def _combine(group: Group, values: Mapping[str, float]) -> float:
    numbers = list(values.values())
    if group.how == "std":
        mean = sum(numbers) / len(numbers)
        return sqrt(sum((number - mean) ** 2 for number in numbers) / len(numbers))
    if group.how == "sum":
        return sum(numbers)
    if group.how == "harmonic_mean":
        # OpenCompass lifts every value to at least 1 as soon as one is not positive.
        lifted = [max(number, 1) for number in numbers] if min(numbers) <= 0 else numbers
        return len(lifted) / sum(1 / number for number in lifted)
    if group.how == "weights":
        return _weighted(group.weights, values)
    return sum(numbers) / len(numbers)


def _weighted(weights: Mapping[str, float], values: Mapping[str, float]) -> float:
    by_subset = {key.partition("@")[0]: value for key, value in values.items()}
    # A zero weight skips its subset, whose value may be NaN.
    parts = (values.get(key, by_subset.get(key, 0.0)) * weight for key, weight in weights.items() if weight)
    return sum(parts) / sum(weights.values())
