"""``make bench-detector``: false alarms and power of the detector, and every alarm on real scores, into docs/gates.md.

The scores are those that EleutherAI published of Pythia's checkpoints, as one CSV file; see docs/gates.md.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from tabulate import tabulate

from benchmarks.shards.report import put
from benchmarks.surrogates import (
    Curve,
    Found,
    calibration_series,
    curve_of,
    drops_found,
    false_alarms,
    found_by_oracle,
)
from opencompass_ops.gates import detector
from opencompass_ops.gates.table import Alarm, Scores, read_scores, replay

MARKS = ("<!-- begin: make bench-detector -->", "<!-- end: make bench-detector -->")
SEED = 20261121
DRAWS = 1000
ORACLE_DRAWS = 20_000
AIM = 0.0095
"""False alarms per checkpoint that the constant is set for: below the 0.01 that are allowed."""


def main() -> int:
    """Measure, or with ``--fit`` say which constant the thresholds should have."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True, help="the CSV file of published scores")
    parser.add_argument("--fit", action="store_true", help="print the CALIBRATION that gives the aim, and end")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--write", type=Path, help="put the tables into this document, between their marks")
    arguments = parser.parse_args()
    series = read_scores(arguments.scores)
    curves = [curve_of(scores) for scores in calibration_series(series).values()]
    if arguments.fit:
        print(f"CALIBRATION = {fit(curves, arguments.draws):.3f}")
        return 0
    text = f"{figures(curves, arguments.draws)}\n\n{real_alarms(series)}"
    print(text)
    if arguments.write:
        put(arguments.write, text, MARKS)
    return 0


def fit(curves: Sequence[Curve], draws: int) -> float:
    """The constant at which false alarms are as frequent as aimed at, by bisection on the same draws."""
    low, high = 0.1, 4.0
    while high - low > 0.005:
        middle = (low + high) / 2
        with patch.object(detector, "CALIBRATION", middle):
            alarms, checkpoints = false_alarms(curves, draws, SEED)
        low, high = (middle, high) if alarms / checkpoints > AIM else (low, middle)
    return high


def figures(curves: Sequence[Curve], draws: int) -> str:
    """False alarms and power, each with its Monte-Carlo error."""
    rows = [_false("real curves made monotone", curves, draws, 1), _false("no change at all", [_flat()], draws, 2)]
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("below the level reached", {}),
        ("the same, alarm at the drop itself", {"within": 1}),
        ("the same, within three checkpoints", {"within": 3}),
        ("below a curve that goes on rising, anywhere", {"from_level": False}),
        ("the same, last third of the series", {"from_level": False, "begin": 2 / 3}),
        ("2 standard errors below the level reached", {"size": 2.0}),
        ("4 standard errors below the level reached", {"size": 4.0}),
    )
    for at, (name, options) in enumerate(kinds):
        found = drops_found(curves, draws, SEED + 10 + at, **options)
        rows.append((f"drop of 3: {name}" if name[0] not in "24" else f"drop of {name}", _share(found)))
    for name, sees_ahead in (("the level before", False), ("the whole curve", True)):
        found = found_by_oracle(curves, ORACLE_DRAWS, SEED + 30, sees_ahead=sees_ahead)
        rows.append((f"bound: drop of 3 below a rising curve, by who knows the noise and {name}", _share(found)))
    head = f"{len(curves)} accuracy series without those of pythia-160m; {draws:,} draws each, seed {SEED}.\n\n"
    return head + tabulate(rows, headers=("surrogates", "measured"), tablefmt="github")


def real_alarms(series: Scores) -> str:
    """Every alarm on the published scores, with the series in which nothing was found counted."""
    alarms = list(replay(series))
    looked = sum(len(scores) for scores in series.values())
    rows = [
        _row(alarm) for alarm in sorted(alarms, key=lambda one: (one.task, one.metric, one.model, one.shot, one.step))
    ]
    quiet = len(series) - len({(one.model, one.shot, one.task, one.metric) for one in alarms})
    head = f"{len(alarms)} alarms in {looked:,} scores; {quiet} of {len(series)} series have none.\n\n"
    names = ("task", "metric", "model", "shots", "step", "value", "level before", "at step", "p")
    return head + tabulate(rows, headers=names, tablefmt="github", disable_numparse=True)


def _false(name: str, curves: Sequence[Curve], draws: int, seed: int) -> tuple[str, str]:
    alarms, checkpoints = false_alarms(curves, draws, SEED + seed)
    error = math.sqrt(alarms) / checkpoints
    return f"false alarms per 100 checkpoints: {name}", f"{100 * alarms / checkpoints:.2f} ± {100 * error:.2f}"


def _flat() -> Curve:
    return Curve(tuple(range(20)), np.full(20, 0.5), np.full(20, 0.01))


def _share(found: Found) -> str:
    error = math.sqrt(found.share * (1 - found.share) / found.drops)
    return f"{100 * found.share:.1f} % ± {100 * error:.1f}"


def _row(alarm: Alarm) -> tuple[str, ...]:
    values = (f"{alarm.value:.4g}", f"{alarm.reference_value:.4g}", str(alarm.reference_step), f"{alarm.p_value:.1g}")
    return alarm.task, alarm.metric, alarm.model, alarm.shot, str(alarm.step), *values


if __name__ == "__main__":
    raise SystemExit(main())
