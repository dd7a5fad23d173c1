"""What evaluators are: answers and references become metrics, and a score for every item.

Metric names and what counts as correct are OpenCompass 0.5.4's.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from inference.problems import InputProblem
from inference.registry import Registry


@dataclass(frozen=True)
class Metric:
    """:param name: as OpenCompass's result files and summaries name it.
    :param value: of all items together.
    :param unit: ``percent``, or what the value is measured in; "" for a bare number.
    """

    name: str
    value: float
    unit: str = "percent"
    higher_is_better: bool = True


@dataclass(frozen=True)
class Scored:
    """:param metrics: the first one is what a table shows.
    :param scores: each item's share in the first metric, in its unit, where their mean is that metric; else empty.
    :param correct: whether each item is, None when this evaluator has no right and wrong.
    :param details: what OpenCompass's evaluator of that name says of each item, None when it says nothing.
    :param extra: what else its result says that is no number (``precisions`` of BLEU).
    :param unjudged: by number of the item, why it got no score; the metrics are those of the others.
    :param unanswered: how many of these another try may give one.
    :param judged: what a judge was asked and answered, one prediction entry per item it was asked of.
    """

    metrics: tuple[Metric, ...]
    scores: Sequence[float | None] = ()
    correct: Sequence[bool | None] | None = None
    details: list[dict[str, Any]] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    unjudged: Mapping[int, str] = field(default_factory=dict)
    unanswered: int = 0
    judged: Mapping[str, Any] = field(default_factory=dict)


Evaluator = Callable[..., Scored]

EVALUATORS: Registry[Evaluator] = Registry("evaluator")
"""Evaluators take the post-processed predictions and the references, and their config's options by name.

One that has a parameter of such a name is also given ``rows`` (the dataset's, the output column post-processed),
``prompts`` (what the model was asked), ``court`` (what judges need), ``sandbox`` (where programs may run, or
None) or ``run`` (which of ``n`` runs it scores).
"""

Requirement = Callable[[dict[str, Any]], None]


def requires(requirement: Requirement) -> Callable[[Evaluator], Evaluator]:
    """Decorator: what must hold before anything runs.

    :param requirement: is given the evaluator's options and raises InputProblem (NotNative where OpenCompass can help).
    """

    def mark(evaluator: Evaluator) -> Evaluator:
        evaluator.requirements = [*_requirements(evaluator), requirement]  # type: ignore[attr-defined]
        return evaluator

    return mark


def check_requirements(evaluator: Evaluator, options: dict[str, Any]) -> None:
    """Refuse an evaluator whose requirements do not hold.

    :raises InputProblem: one does not.
    """
    for requirement in _requirements(evaluator):
        requirement(options)


def _requirements(evaluator: Evaluator) -> list[Requirement]:
    return list(getattr(evaluator, "requirements", ()))


_every_package: ContextVar[bool] = ContextVar("every_package", default=False)


@contextmanager
def with_every_package() -> Iterator[None]:
    """Requirements of packages hold inside: what is native does not depend on what is installed here."""
    token = _every_package.set(True)
    try:
        yield
    finally:
        _every_package.reset(token)


def package(name: str, of: str = "") -> Requirement:
    """A requirement: that a package is installed where jobs run.

    :param name: as one imports it.
    :param of: as one installs it, when that is another name.
    """

    def check(options: dict[str, Any]) -> None:
        if not _every_package.get() and importlib.util.find_spec(name) is None:
            raise InputProblem(f"the package {of or name} is not installed where jobs run; pip install {of or name}")

    return check


def of_many(evaluator: Evaluator) -> Evaluator:
    """Decorator: an item's prediction may be a list of answers."""
    evaluator.of_many = True  # type: ignore[attr-defined]
    return evaluator


def takes_many(evaluator: Evaluator) -> bool:
    """Whether an item's prediction may be a list of answers."""
    return bool(getattr(evaluator, "of_many", False))


def without_references(evaluator: Evaluator) -> Evaluator:
    """Decorator: it compares with nothing, so the dataset needs no output column."""
    evaluator.without_references = True  # type: ignore[attr-defined]
    return evaluator


def needs_references(evaluator: Evaluator) -> bool:
    """Whether it compares with references, as most do."""
    return not getattr(evaluator, "without_references", False)


def runs_code(evaluator: Evaluator) -> Evaluator:
    """Decorator: it runs programs that models wrote, so nothing of it happens unless somebody asked for that."""
    evaluator.runs_code = True  # type: ignore[attr-defined]
    return evaluator


def runs_models_code(evaluator: Evaluator) -> bool:
    """Whether it is one of these."""
    return bool(getattr(evaluator, "runs_code", False))


def percent_correct(name: str, correct: Sequence[bool], details: list[dict[str, Any]] | None = None) -> Scored:
    """The percentage of correct items as the only metric, called ``name``."""
    scores = [100.0 * is_correct for is_correct in correct]
    metric = Metric(name, sum(correct) / len(correct) * 100)
    return Scored((metric,), scores, correct, details)


def scored(name: str, details: list[dict[str, Any]]) -> Scored:
    """The percentage of details that say ``correct``, called ``name``."""
    return percent_correct(name, [bool(detail["correct"]) for detail in details], details)
