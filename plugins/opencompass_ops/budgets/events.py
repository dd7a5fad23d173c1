"""What a run met of its limits: a JSON line each in ``events.jsonl`` of the run directory, for reports and messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import Files, LocalFiles

BUDGET_EXCEEDED = "budget exceeded"


@dataclass(frozen=True)
class Event:
    """:param event: what happened: :data:`BUDGET_EXCEEDED`.
    :param limit: which limit it was, in words: ``6 h of the clock per shard``, ``100 GPU-hours of user 'alice' ...``.
    :param shard: id of the shard that stopped or was not begun.
    :param label: what people read for it.
    :param was_running: whether its job ran; else it was not begun.
    :param time: ISO 8601, UTC.
    :param kind: of the limit: ``clock``, ``run``, ``user``, ``series``, ``everyone``; "" in lines of an older release.
    """

    event: str
    limit: str
    shard: str
    label: str
    was_running: bool
    time: str = ""
    kind: str = ""


def tell(files: LocalFiles, event: Event) -> None:
    """Add an event."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    files.append(layout.EVENTS, json.dumps({**asdict(event), "time": now}, ensure_ascii=False))


def told(files: Files, since: str = "") -> list[Event]:
    """The events of a run in their order.

    :param since: only those at this time (ISO 8601, UTC) or later.
    """
    return [event for event in _events(files) if event.time >= since]


def _events(files: Files) -> Iterator[Event]:
    try:
        lines = files.read(layout.EVENTS).splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield Event(**json.loads(line))
        except (ValueError, TypeError):
            continue  # torn by a crash, or of another kind


def way_on(run: str) -> str:
    """How a run that met a limit goes on, for people.

    :param run: name of its directory.
    """
    return (
        f"what is answered is kept: go on with the same request and -r {run} (form: Reuse run), and with a higher "
        "--gpu-hours where that was the limit"
    )


def summary(events: list[Event]) -> list[str]:
    """A line per limit for people: how many shards it stopped or kept from beginning."""
    limits = dict.fromkeys(event.limit for event in events)
    lines = []
    for limit in limits:
        met = {event.shard: event.was_running for event in events if event.limit == limit}
        stopped = sum(met.values())
        lines.append(f"{BUDGET_EXCEEDED}: {limit}: {stopped} shards stopped, {len(met) - stopped} not begun")
    return lines
