"""Text tables of series and their checkpoints; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from opencompass_ops.series.ledger import FAILED, GONE, READY, Evaluation, Sighting

NOTHING = "nothing was seen yet; switch the series' DAG on, or look now with --look"


def status_table(sightings: Iterable[Sighting], evaluations: Sequence[Evaluation], attempts: int) -> str:
    """Every checkpoint that was seen or evaluated, by step and version: its state, and why nothing happens.

    :param attempts: how many a checkpoint has.
    """
    rows = [_evaluated(row, attempts) for row in evaluations]
    digests = {row.digest for row in evaluations}
    rows += [_seen(one) for one in sightings if one.digest not in digests or (one.reason and one.state != GONE)]
    if not rows:
        return NOTHING
    header = ("step", "checkpoint", "version", "state", "suite", "attempts", "says")
    order = sorted(rows, key=lambda row: (int(row[0]), row[2], row[4]))
    return tabulate(order, headers=header, disable_numparse=True, colalign=("right", *["left"] * 6))


def _evaluated(row: Evaluation, attempts: int) -> tuple[str, ...]:
    over = row.state == FAILED and row.failures >= attempts
    state = "given up" if over else row.state
    tried = f"{row.failures} of {attempts}"
    return str(row.step), row.name, row.version, state, row.suite, tried, row.reason or row.run_id


def _seen(one: Sighting) -> tuple[str, ...]:
    state = "new" if one.state == READY else one.state
    return str(one.step), one.name, "", state, "", "", one.reason
