"""Alarms, comparisons and verdicts as text; pure."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import tabulate

from opencompass_ops.gates.comparison import UNPAIRED
from opencompass_ops.gates.flips import LOST, Flip
from opencompass_ops.gates.record import Finding, GateRecord, Promotion, Scored
from opencompass_ops.gates.table import Alarm
from opencompass_ops.gates.verdict import FAIL

RESULTS = 40
"""Lines of results that a person is shown who is to approve a promotion; the gate's log has all."""

SHOWN = 5
"""Lost items of a dataset that the text shows; the file has more."""


def alarms_table(alarms: Sequence[Alarm], series: int, checkpoints: int) -> str:
    """What the detector found in a table of scores, and in how much.

    :param checkpoints: scores that were looked at.
    """
    looked = f"{len(alarms)} alarms in {checkpoints} scores of {series} series"
    if not alarms:
        return looked
    header = ("model", "shot", "task", "metric", "step", "value", "before", "at step", "p")
    return f"{_table(header, [_alarm(alarm) for alarm in alarms])}\n\n{looked}"


def gate_text(record: GateRecord) -> str:
    """What the gate's task prints: the one line, every comparison, what else was noticed, and lost items."""
    blocks = [
        record.headline,
        comparisons_table(record.datasets),
        "\n".join(
            f"alert: {one.model}/{one.dataset} fell {_fall(one.since, one.reference_value, one.value)}"
            for one in record.alerts
        ),
        "\n".join(f"evaluation unhealthy: {alarm.text}" for alarm in record.health),
        "\n".join(f"note: {note}" for note in record.notes if note not in record.headline),
        "\n\n".join(text for one in record.datasets if one.outcome == FAIL and (text := flips_text(one))),
    ]
    return "\n\n".join(block for block in blocks if block)


def question_text(record: GateRecord, promotion: Promotion) -> str:
    """What a person is told who is to approve a promotion, in Markdown: which checkpoint it is, and its results."""
    version = f"Version **{promotion.version}**: " if promotion.version else ""
    return "\n\n".join(
        [
            f"{version}**{promotion.model}**, step {promotion.step}, would become the best checkpoint of series "
            f"**{promotion.series}**.",
            record.headline,
            results_table(record),
            f"Without an answer within {promotion.approval_days:.3g} days it is not promoted.",
        ]
    )


def results_table(record: GateRecord) -> str:
    """In Markdown, every score that was judged, and beside it each that it was compared with."""
    header = ("dataset", "metric", "score", "± SE", "n", "against", "its score", "difference, 95 %", "outcome")
    rows = [line for one in record.scores for line in _result(one, record.datasets)]
    table = tabulate(rows[:RESULTS], headers=header, disable_numparse=True, tablefmt="github")
    return table if len(rows) <= RESULTS else f"{table}\n\n{len(rows) - RESULTS} more lines stand in the gate's log."


def comparisons_table(findings: Sequence[Finding]) -> str:
    """One line per dataset and reference; MDE is the smallest drop that would have been found with 80 % probability."""
    if not findings:
        return ""
    header = (
        "model",
        "dataset",
        "outcome",
        "score",
        "against",
        "its score",
        "difference, 95 %",
        "allowed",
        "MDE",
        "p",
        "lost",
        "gained",
        "n",
        "test",
    )
    return _table(header, [_finding(one) for one in findings])


def flips_text(one: Finding) -> str:
    """The first items that were lost, each with what both checkpoints answered."""
    lost = [flip for flip in one.flips if flip.change == LOST][:SHOWN]
    if not lost:
        return ""
    return "\n".join(
        [f"{one.model}/{one.dataset} lost {one.lost} items, for instance:", *(_flip(flip) for flip in lost)]
    )


def _result(one: Scored, findings: Sequence[Finding]) -> list[tuple[str, ...]]:
    error = "-" if one.stderr is None else f"{one.stderr:.2f}"
    score = (one.dataset, one.metric, f"{one.value:.2f}", error, str(one.n))
    compared = [
        (_role(other), f"{other.reference_value:.2f}", _interval(other), _outcome(other))
        for other in findings
        if (other.model, other.dataset) == (one.model, one.dataset)
    ]
    return [(*score, *line) for line in compared or [("-",) * 4]]


def _role(one: Finding) -> str:
    return f"{one.reference} ({', '.join(one.kinds)})" if one.kinds else one.reference


def _interval(one: Finding) -> str:
    return f"{one.difference:+.2f} [{one.low:+.2f}, {one.high:+.2f}]"


def _outcome(one: Finding) -> str:
    return one.outcome if one.counts else f"({one.outcome})"


def _finding(one: Finding) -> tuple[str, ...]:
    numbers = (
        f"{one.allowed:.2f}",
        f"{one.mde:.2f}",
        f"{one.adjusted:.2g}",
        *(("-", "-") if one.method == UNPAIRED else (str(one.lost), str(one.gained))),
        str(one.n),
    )
    return (
        one.model,
        one.dataset,
        _outcome(one),
        f"{one.value:.2f}",
        _role(one),
        f"{one.reference_value:.2f}",
        _interval(one),
        *numbers,
        one.method,
    )


def _flip(flip: Flip) -> str:
    said = (("asked", flip.prompt), ("before", flip.reference_answer), ("now", flip.answer), ("expected", flip.gold))
    return "\n".join(
        [f"  item {flip.idx} {flip.row}".rstrip(), *(f"    {name}: {text}" for name, text in said if text)]
    )


def _fall(since: int, before: float, value: float) -> str:
    return f"at step {since}: {before:.4g} before, {value:.4g} now"


def _alarm(alarm: Alarm) -> tuple[str, ...]:
    values = (f"{alarm.value:.4g}", f"{alarm.reference_value:.4g}", str(alarm.reference_step), f"{alarm.p_value:.2g}")
    return alarm.model, alarm.shot, alarm.task, alarm.metric, str(alarm.step), *values


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return tabulate(rows, headers=header, disable_numparse=True)
