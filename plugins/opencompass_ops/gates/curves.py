"""The alarms of the detector on the curves of a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from opencompass_ops.gates.detector import Score
from opencompass_ops.gates.table import SeriesKey, by_step, replay
from opencompass_ops.results.plots import Point


def with_alarms(points: Sequence[Point]) -> list[Point]:
    """The points, those marked at which the detector, seeing what stands before them, raises an alarm."""
    curves = {
        key: by_step(Score(point.step or 0, point.value, point.stderr) for point in curve)
        for key, curve in groupby(sorted((p for p in points if p.step is not None), key=_moment), _key)
    }
    told = {(alarm.model, alarm.task, alarm.metric, alarm.step) for alarm in replay(curves)}
    return [replace(one, fell=(one.series, one.dataset, one.metric, one.step) in told) for one in points]


def _key(point: Point) -> SeriesKey:
    return SeriesKey(point.series, "", point.dataset, point.metric)


def _moment(point: Point) -> tuple[SeriesKey, int]:
    return _key(point), point.step or 0
