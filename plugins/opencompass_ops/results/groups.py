"""Summary groups: averages and the like over datasets, as OpenCompass's DefaultSummarizer computes them.

Changed: metrics that all subsets share come in sorted order (OpenCompass's follows the hash seed), models may lack
metrics that others have, and ``transforms`` are worked out as arithmetic, not run as Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from opencompass_ops.culprits import Culprits
from opencompass_ops.errors import ConfigError
from opencompass_ops.results.transforms import parse_transform

Scores = dict[str, dict[str, float]]
"""Dataset (or group) -> metric -> value, of one model."""

STANDARD_DEVIATION, SUM, HARMONIC_MEAN = "standard_deviation", "sum", "harmonic_mean"


@dataclass(frozen=True)
class Subset:
    """A dataset or an earlier group within a group.

    :param metric: "" for the subset's first one.
    :param said: the config's own words, for errors.
    """

    name: str
    metric: str
    said: Any


@dataclass(frozen=True)
class Group:
    """One entry of ``summary_groups``.

    :param weights: by subset, or by ``subset@metric``.
    :param metric: name of the group's own metric. As in OpenCompass it decides how values are put together:
        :data:`STANDARD_DEVIATION`, :data:`SUM`, :data:`HARMONIC_MEAN`, and under any other name the mean, weighted
        where there are weights.
    :param transforms: by subset, what is done to its values first.
    """

    name: str
    subsets: tuple[Subset, ...]
    metric: str
    weights: Mapping[str, float] = field(default_factory=dict)
    transforms: Mapping[str, Callable[[float], float]] = field(default_factory=dict)

    @property
    def in_pairs(self) -> bool:
        """Whether the subsets name their metrics."""
        return bool(self.subsets[0].metric)


# In the order in which OpenCompass asks for them.
_DEFAULT_METRICS = {
    "std": STANDARD_DEVIATION,
    "sum": SUM,
    "weights": "weighted_average",
    "harmonic_mean": HARMONIC_MEAN,
}


def applicable(groups: Iterable[Mapping[str, Any]], datasets: Iterable[str]) -> list[Group]:
    """The groups that have at least one of their subsets in this run, in their order.

    Config libraries define hundreds of groups; those that no dataset of the run reaches are not judged.

    :param groups: ``summarizer.summary_groups`` of the config.
    :param datasets: abbrs of the run.
    :raises ConfigError: an applicable group is malformed.
    """
    reached, found, wrong = set(datasets), [], Culprits()
    for entry in groups:
        name, subsets = wrong.of(_name_and_subsets, ("", ()), entry)
        if any(subset.name in reached for subset in subsets):
            found.append(wrong.of(_parse, None, entry, name, subsets))
            reached.add(name)
    wrong.refuse()
    return [group for group in found if group is not None]


def _name_and_subsets(entry: Mapping[str, Any]) -> tuple[str, tuple[Subset, ...]]:
    try:
        subsets = tuple(Subset(s, "", s) if isinstance(s, str) else Subset(str(s[0]), str(s[1]), s)
                        for s in entry["subsets"])  # fmt: skip
        return str(entry["name"]), subsets
    except (TypeError, KeyError, IndexError) as error:
        raise ConfigError(
            f"summary group {entry!r} needs 'name' and 'subsets' (a list of abbrs or of [abbr, metric]); correct it"
        ) from error


def _parse(entry: Mapping[str, Any], name: str, subsets: tuple[Subset, ...]) -> Group:
    if len({bool(subset.metric) for subset in subsets}) > 1:
        raise ConfigError(f"summary group {name!r} mixes abbrs and [abbr, metric] pairs; write all subsets one way")
    kind = next((key for key in _DEFAULT_METRICS if entry.get(key)), "")
    metric = str(entry.get("metric") or _DEFAULT_METRICS.get(kind, "naive_average"))
    needs_weights = metric not in (STANDARD_DEVIATION, HARMONIC_MEAN)
    weights = _weights(name, entry.get("weights") or {}, subsets, metric) if needs_weights else {}
    return Group(name, subsets, metric, weights, _transforms(name, entry.get("transforms") or {}))


def _transforms(name: str, texts: Any) -> dict[str, Callable[[float], float]]:
    if not isinstance(texts, Mapping):
        raise ConfigError(f"summary group {name!r}: transforms must map subsets to expressions of x; correct them")
    try:
        return {str(subset): parse_transform(text) for subset, text in texts.items()}
    except ConfigError as error:
        raise ConfigError(f"summary group {name!r}: {error}") from error


def _weights(name: str, weights: Any, subsets: tuple[Subset, ...], metric: str) -> dict[str, float]:
    usable = isinstance(weights, Mapping) and all(isinstance(weight, int | float) for weight in weights.values())
    if not usable or (weights and metric != SUM and not sum(weights.values())):
        raise ConfigError(
            f"summary group {name!r}: weights {weights!r} must map subsets to numbers whose sum is not 0; correct them"
        )
    names = {subset.name for subset in subsets}
    unknown = sorted(key for key, weight in weights.items() if weight and not names & {key, key.rpartition("@")[0]})
    if unknown:
        raise ConfigError(f"summary group {name!r} weighs {unknown}, which are no subsets of it; correct the names")
    return dict(weights)


def score(group: Group, scores: Scores, metrics: Mapping[str, Sequence[str]]) -> dict[str, float] | str:
    """The group's metrics for one model.

    :param scores: of the model, groups computed before included.
    :param metrics: the metrics of each dataset and group over all models, in order; the first one
        is what a subset without a named metric contributes.
    :returns: metric -> value; the error for the raw section when some subsets are missing, or when a value
        cannot be worked out; an empty dict when all are missing.
    """
    own = [(subset.name, subset.metric or next(iter(metrics.get(subset.name, ())), "")) for subset in group.subsets]
    missing = [
        subset.said
        for subset, (name, metric) in zip(group.subsets, own, strict=True)
        if metric not in scores.get(name, {})
    ]
    if len(missing) == len(own):
        return {}
    if missing:
        return f"missing metrics: {missing}"
    found: dict[str, float] = {}
    try:
        for metric in common_metrics(group, metrics):
            wanted = own if metric == group.metric else [(subset.name, metric) for subset in group.subsets]
            if all(each in scores[name] for name, each in wanted):
                found[metric] = _combine(group, {f"{n}@{m}": _transformed(group, n, scores[n][m]) for n, m in wanted})
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        return f"cannot be worked out: {type(error).__name__}: {error}"
    return found


def mode(group: Group, modes: Mapping[str, str]) -> str:
    """The mode that all subsets share, else ``mixed``."""
    seen = {modes.get(subset.name, "unknown") for subset in group.subsets}
    return seen.pop() if len(seen) == 1 else "mixed"


def common_metrics(group: Group, metrics: Mapping[str, Sequence[str]]) -> list[str]:
    """What the group has a value of: the metrics that all subsets share, and its own."""
    shared: set[str] = set()
    if not group.in_pairs:
        shared = set.intersection(*(set(metrics[subset.name]) for subset in group.subsets))
    return list(dict.fromkeys([*sorted(shared), group.metric]))


def _transformed(group: Group, subset: str, value: float) -> float:
    return group.transforms[subset](value) if subset in group.transforms else value


def _combine(group: Group, values: Mapping[str, float]) -> float:
    numbers = list(values.values())
    if group.metric == STANDARD_DEVIATION:
        mean = sum(numbers) / len(numbers)
        return sqrt(sum((number - mean) ** 2 for number in numbers) / len(numbers))
    if group.metric == HARMONIC_MEAN:
        # OpenCompass lifts every value to at least 1 as soon as one is not positive.
        lifted = [max(number, 1) for number in numbers] if any(number <= 0 for number in numbers) else numbers
        return len(lifted) / sum(1 / number for number in lifted)
    total = _weighted(group.weights, values) if group.weights else sum(numbers)
    if group.metric == SUM:
        return total
    return total / (sum(group.weights.values()) if group.weights else len(numbers))


def _weighted(weights: Mapping[str, float], values: Mapping[str, float]) -> float:
    # A zero weight skips its subset, whose value may be NaN.
    counted = {key: weight for key, weight in weights.items() if weight != 0}
    if not counted.keys() <= values.keys():
        values = {key.partition("@")[0]: value for key, value in values.items()}
    return sum(values[key] * weight for key, weight in counted.items())
