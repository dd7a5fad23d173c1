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
    sightings = list(sightings)
    rows = [_evaluated(row, attempts) for row in evaluations]
    digests, same = {row.digest for row in evaluations}, twins(sightings, evaluations)
    rows += [_twin(one, same[one.name]) for one in sightings if one.name in same]
    others = [one for one in sightings if one.name not in same]
    rows += [_seen(one) for one in others if one.digest not in digests or (one.reason and one.state != GONE)]
    if not rows:
        return NOTHING
    header = ("step", "checkpoint", "version", "state", "suite", "attempts", "says")
    order = sorted(rows, key=lambda row: (int(row[0]), row[2], row[4]))
    return tabulate(order, headers=header, disable_numparse=True, colalign=("right", *["left"] * 6))


def twins(sightings: Iterable[Sighting], evaluations: Sequence[Evaluation]) -> dict[str, str]:
    """What there is to say of complete checkpoints whose weights were evaluated under another name, by name."""
    names: dict[str, list[str]] = {}
    for row in evaluations:
        names.setdefault(row.digest, []).append(row.name)
    return {
        one.name: f"same weights as {names[one.digest][0]}"
        for one in sightings
        if one.state == READY and one.name not in names.get(one.digest, [one.name])
    }


def _evaluated(row: Evaluation, attempts: int) -> tuple[str, ...]:
    over = row.state == FAILED and row.failures >= attempts
    state = "given up" if over else row.state
    tried = f"{row.failures} of {attempts}"
    return str(row.step), row.name, row.version, state, row.suite, tried, row.reason or row.run_id


def _seen(one: Sighting) -> tuple[str, ...]:
    state = "new" if one.state == READY else one.state
    return str(one.step), one.name, "", state, "", "", one.reason


def _twin(one: Sighting, says: str) -> tuple[str, ...]:
    return str(one.step), one.name, "", "twin", "", "", says
