"""Alarms, comparisons and verdicts as text; pure."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from opencompass_ops.gates.table import Alarm


def alarms_table(alarms: Sequence[Alarm], series: int, checkpoints: int) -> str:
    """What the detector found in a table of scores, and in how much.

    :param checkpoints: scores that were looked at.
    """
    looked = f"{len(alarms)} alarms in {checkpoints} scores of {series} series"
    if not alarms:
        return looked
    header = ("model", "shot", "task", "metric", "step", "value", "before", "at step", "p")
    return f"{_table(header, [_alarm(alarm) for alarm in alarms])}\n\n{looked}"


def _alarm(alarm: Alarm) -> tuple[str, ...]:
    values = (f"{alarm.value:.4g}", f"{alarm.reference_value:.4g}", str(alarm.reference_step), f"{alarm.p_value:.2g}")
    return alarm.model, alarm.shot, alarm.task, alarm.metric, str(alarm.step), *values


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return tabulate(rows, headers=header, disable_numparse=True)
