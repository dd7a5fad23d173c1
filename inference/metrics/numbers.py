"""Numbers: how far answers lie from their references."""

from __future__ import annotations

import math
import re
from typing import Any

from inference.evaluators import EVALUATORS, Metric, Scored
from inference.postprocess import POSTPROCESSORS
from inference.problems import InputProblem

_NUMBER = re.compile(r"[-+]?(?:(?:\d{1,3}(?:[,，]\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")  # noqa: RUF001
_BEFORE = " \t\r\n$€£¥￥*"  # models write Chinese punctuation around numbers
_AFTER = _BEFORE + "%％°。.,，;；"  # noqa: RUF001


def number(value: Any) -> float | None:
    """A number as people write it, without thousands separators, currency and per cent signs; None for no number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value) if math.isfinite(value) else None
    text = str(value).lstrip(_BEFORE).rstrip(_AFTER).replace("\N{MINUS SIGN}", "-")
    sign, text = ("-", text[1:].lstrip(_BEFORE)) if text.startswith("-") else ("", text)
    if not _NUMBER.fullmatch(text):
        return None
    found = float(sign + re.sub("[,，]", "", text))  # noqa: RUF001
    return found if math.isfinite(found) else None


@POSTPROCESSORS.add("last-number")
def last_number(text: str) -> str:
    """The last number of a text as it is written there, thousands separators and all; nothing without one."""
    found = [match.group() for match in _NUMBER.finditer(text.replace("\N{MINUS SIGN}", "-")) if match.group()]
    return found[-1] if found else ""


@EVALUATORS.add("RegressionEvaluator")
def regression(predictions: list[Any], references: list[Any]) -> Scored:
    """Mean absolute error, mean squared error and its root, over the answers that are numbers.

    Those that are none are named, and ``coverage`` says how many per cent of all were numbers; where none
    was, it is the only metric.

    :raises InputProblem: a reference is no number.
    """
    errors: list[float | None] = []
    nothing: dict[int, str] = {}
    for item, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
        said, wanted = number(prediction), number(reference)
        if wanted is None:
            raise InputProblem(f"reference {reference!r} of item {item} is no number; correct the data")
        errors.append(None if said is None else abs(said - wanted))
        if said is None:
            nothing[item] = f"{str(prediction)[:80]!r} is no number"
    known = [error for error in errors if error is not None]
    coverage = Metric("coverage", 100 * len(known) / len(errors))
    if not known:
        return Scored((coverage,), unjudged=nothing)
    mean_squared = math.fsum(error * error for error in known) / len(known)
    metrics = (
        Metric("mae", math.fsum(known) / len(known), "", higher_is_better=False),
        Metric("mse", mean_squared, "", higher_is_better=False),
        Metric("rmse", math.sqrt(mean_squared), "", higher_is_better=False),
        coverage,
    )
    return Scored(metrics, errors, unjudged=nothing)
