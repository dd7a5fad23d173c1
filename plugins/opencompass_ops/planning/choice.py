"""The partitioner that an OpenCompass config names in its ``infer`` section."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from opencompass_ops.culprits import Culprits
from opencompass_ops.errors import ConfigError
from opencompass_ops.planning.partition import Naive, NumWorker, Partitioner, Size
from opencompass_ops.planning.unread import OF_PARTITIONERS

_CLASSES: Mapping[str, type[Naive | Size | NumWorker]] = {
    "NaivePartitioner": Naive,
    "SizePartitioner": Size,
    "NumWorkerPartitioner": NumWorker,
}
_STRATEGIES = ("heuristic", "split")

_OPTIONAL = ("num_split",)
_COUNTS = {"n": 1, "max_task_size": 1, "gen_task_coef": 1, "num_worker": 1, "num_split": 0, "min_task_size": 1}
"""Least value of each number."""

_ELSEWHERE = OF_PARTITIONERS | {"type"}
"""What OpenCompass's partitioners also take, and what is decided elsewhere here."""


def configured(values: Mapping[str, Any], where: str = "infer.partitioner") -> Partitioner:
    """The partitioner of ``dict(type=NumWorkerPartitioner, num_worker=8)``, its type a dotted string.

    :param where: the place of the values, for errors.
    :raises ConfigError: another type, an unknown argument, or a value that it cannot have.
    """
    name = str(values.get("type")).rpartition(".")[2]
    if name not in _CLASSES:
        raise ConfigError(
            f"{where} is of type {values.get('type')!r}; known are {', '.join(_CLASSES)}, or leave "
            "partitioner out to have jobs planned by their expected time"
        )
    chosen = _CLASSES[name]
    given = {key: value for key, value in values.items() if key not in _ELSEWHERE}
    known = [field.name for field in dataclasses.fields(chosen)]
    unknown, wrong = sorted(set(given) - set(known)), Culprits()
    if unknown:
        wrong.add(f"{where}: {name} has no argument {', '.join(unknown)}; it takes {', '.join(known)}")
    problems = (_problem(f"{key} of {name}", key, given[key]) for key in given if key in known)
    wrong.add(*(f"{where}: {problem}" for problem in problems if problem))
    wrong.refuse()
    return chosen(**given)


def _problem(what: str, key: str, value: Any) -> str:
    """What is wrong with an argument; "" when nothing is."""
    if key == "strategy":
        return "" if value in _STRATEGIES else f"{what} is {value!r}; write {' or '.join(_STRATEGIES)}"
    whole = isinstance(value, int) and not isinstance(value, bool)
    if (whole and value >= _COUNTS[key]) or (value is None and key in _OPTIONAL):
        return ""
    return f"{what} is {value!r}; write a whole number of at least {_COUNTS[key]}"
