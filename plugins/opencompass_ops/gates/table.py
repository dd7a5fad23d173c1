"""A table of scores replayed in the order of its steps: which alarms it would have raised."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from opencompass_ops.errors import InputError
from opencompass_ops.gates.detector import Score, SeriesDetector
from opencompass_ops.results.metrics import lower_is_better

_NEEDED = ("model", "step", "task", "metric", "value")


@dataclass(frozen=True, order=True)
class SeriesKey:
    """Which series a score belongs to.

    :param shot: how it was asked, e.g. ``five-shot``; "" where the table does not say.
    """

    model: str
    shot: str
    task: str
    metric: str


Scores = Mapping[SeriesKey, list[Score]]


@dataclass(frozen=True)
class Alarm:
    """One alarm, with the fields that ``opencompass-ops detect --json`` prints."""

    model: str
    shot: str
    task: str
    metric: str
    step: int
    value: float
    reference_step: int
    reference_value: float
    p_value: float


def read_scores(path: Path) -> Scores:
    """The series of a CSV file with columns model, shot, step, task, metric, value and stderr, others left alone.

    Rows of any order; a row without value is left out; several rows of one step, e.g. of a repeated evaluation, are
    averaged. ``shot`` and ``stderr`` may be missing or empty.

    :raises InputError: a column is missing or a number cannot be read; says where.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{path} has no column {', '.join(missing)}; name the columns in its first line")
            rows = [_row(path, reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} cannot be read as a table: {error}; name a CSV file of scores") from error
    collected: dict[SeriesKey, list[Score]] = {}
    for key, score in (row for row in rows if row is not None):
        collected.setdefault(key, []).append(score)
    return {key: by_step(scores) for key, scores in collected.items()}


def by_step(scores: Iterable[Score]) -> list[Score]:
    """Sorted, one score per step; the items of a repeated evaluation are the same, so its noise is not averaged."""
    ordered = sorted(scores, key=lambda one: one.step)
    return [_mean(step, list(same)) for step, same in groupby(ordered, key=lambda one: one.step)]


def replay(series: Scores) -> Iterator[Alarm]:
    """Every alarm in the order of the steps; each sees nothing but what stands before it."""
    detectors = {key: SeriesDetector(lower_is_better=lower_is_better(key.metric)) for key in series}
    for score, key in sorted(((score, key) for key, some in series.items() for score in some), key=_moment):
        finding = detectors[key].observe(score)
        if finding is not None and finding.is_alarm:
            yield Alarm(
                **asdict(key),
                step=finding.step,
                value=finding.value,
                reference_step=finding.reference_step,
                reference_value=finding.reference_value,
                p_value=finding.p_value,
            )


def _moment(entry: tuple[Score, SeriesKey]) -> tuple[int, SeriesKey]:
    return entry[0].step, entry[1]


def _mean(step: int, scores: list[Score]) -> Score:
    errors = [one.stderr for one in scores if one.stderr is not None]
    whole = len(errors) == len(scores)
    return Score(step, fmean(one.value for one in scores), fmean(errors) if whole else None)


def _row(path: Path, line: int, row: Mapping[str, Any]) -> tuple[SeriesKey, Score] | None:
    if not (row["value"] or "").strip():
        return None
    try:
        step, value = float(row["step"]), float(row["value"])
        stderr = float(text) if (text := (row.get("stderr") or "").strip()) else None
        if not step.is_integer() or not math.isfinite(value) or not (stderr is None or 0 <= stderr < math.inf):
            raise ValueError(f"step {row['step']}, value {row['value']}, stderr {row.get('stderr')}")
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}, line {line}: {error}; a step is a whole number, a value finite, a stderr not negative"
        ) from error
    key = SeriesKey(row["model"] or "", row.get("shot") or "", row["task"] or "", row["metric"] or "")
    return key, Score(int(step), value, stderr)
