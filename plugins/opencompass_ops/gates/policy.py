"""What a gate compares with and how much it lets pass: the section ``gate`` of a series, or the parameter of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from opencompass_ops.errors import InputError
from opencompass_ops.planning.parameter import nearest

OFF, REPORT, ENFORCE = "off", "report", "enforce"
MODES = (OFF, REPORT, ENFORCE)

BASELINE, PREVIOUS, BEST = "baseline", "previous", "best"
REFERENCES = (BASELINE, PREVIOUS, BEST)

NEVER, BETTER = "never", "better"
PROMOTIONS = (NEVER, BETTER)

MINUTE = 1 / 24 / 60
"""In days: people need at least so long to answer."""


@dataclass(frozen=True)
class GatePolicy:
    """How a checkpoint is judged.

    :param mode: ``off``; ``report``: the verdict is told and changes nothing; ``enforce``: a failed gate is a failed
        task.
    :param baseline: the model, or the run directory, that is compared with beside previous and best; "" for none.
    :param against: which references count: of ``baseline``, ``previous``, ``best``.
    :param datasets: names of the datasets that count, all when empty; others are compared and told only.
    :param max_drop: a drop up to this, in percent of the metric's range (points of accuracy), is allowed.
    :param thresholds: ``max_drop`` of single datasets.
    :param alpha: chance that a checkpoint that is no worse fails, over all its datasets and references together.
    :param alert_q: expected share of false ones among the alerts; only alarms of the detector can be alerts.
    :param unhealthy: share of a dataset's items that may be empty, unreadable or cut before its score is doubted.
    :param promote: ``better``: a checkpoint that passes and is the best of its series is promoted.
    :param approval: whether a person is asked before that.
    :param approval_days: how long an answer is waited for; then the checkpoint is not promoted.
    """

    mode: str = REPORT
    baseline: str = ""
    against: tuple[str, ...] = REFERENCES
    datasets: tuple[str, ...] = ()
    max_drop: float = 1.0
    thresholds: Mapping[str, float] = field(default_factory=dict)
    alpha: float = 0.05
    alert_q: float = 0.05
    unhealthy: float = 0.05
    promote: str = NEVER
    approval: bool = False
    approval_days: float = 7.0

    @classmethod
    def from_values(cls, values: Mapping[str, Any], where: str = "gate") -> GatePolicy:
        """From a plain mapping, e.g. the section ``gate`` of a series; whoever writes settings means them: ``enforce``.

        :param where: named in errors.
        :raises InputError: says which key is wrong, with its value, and what would be right.
        """
        given: dict[str, Any] = {"mode": ENFORCE}
        for key, value in values.items():
            if key not in _READERS:
                raise InputError(f"{where}: there is no setting {key!r}; {nearest(str(key), tuple(_READERS))}")
            try:
                given[key] = _READERS[key](value)
            except ValueError as error:
                raise InputError(f"{where}: {key} {value!r} {error}") from error
        return cls(**given)

    @classmethod
    def from_text(cls, text: str | None, baseline: str | None = None) -> GatePolicy:
        """From the parameters of a run: a mode, or the settings as a JSON object; and the baseline.

        :raises InputError: the text is neither, or a setting is wrong.
        """
        said = (text or REPORT).strip()
        if said in MODES:
            policy = cls(mode=said)
        else:
            try:
                values = json.loads(said)
            except ValueError:
                values = None
            if not isinstance(values, dict):
                raise InputError(f"gate={said!r}: is none of {', '.join(MODES)} and no JSON object of settings")
            policy = cls.from_values(values)
        return replace(policy, baseline=baseline) if baseline else policy

    def allowed(self, dataset: str) -> float:
        """How much a dataset may drop, in percent of its range."""
        return self.thresholds.get(dataset, self.max_drop)

    def counts(self, dataset: str) -> bool:
        """Whether the dataset decides, or is told only."""
        return not self.datasets or dataset in self.datasets


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"is none of {', '.join(choices)}")
        return str(value)

    return read


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one for one in value):
        raise ValueError("is no list of names")
    return tuple(value)


def _references(value: Any) -> tuple[str, ...]:
    names = _names(value)
    if not names or set(names) - set(REFERENCES):
        raise ValueError(f"must name some of {', '.join(REFERENCES)}")
    return names


def _number(low: float, high: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"is no number from {low:g} to {high:g}")
        return float(value)

    return read


def _drops(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise ValueError("is no mapping of datasets to numbers")
    return {str(name): _number(0, 100)(drop) for name, drop in value.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("is no text")
    return value.strip()


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is neither true nor false")
    return value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "mode": _one_of(*MODES),
    "baseline": _text,
    "against": _references,
    "datasets": _names,
    "max_drop": _number(0, 100),
    "thresholds": _drops,
    "alpha": _number(1e-6, 0.5),
    "alert_q": _number(1e-6, 0.5),
    "unhealthy": _number(0, 1),
    "promote": _one_of(*PROMOTIONS),
    "approval": _boolean,
    "approval_days": _number(MINUTE, 365),
}
