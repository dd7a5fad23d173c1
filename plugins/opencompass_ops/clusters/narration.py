"""What people read of a job while they wait: states, what it prints, how far it is; nothing twice."""

from __future__ import annotations

from datetime import datetime

from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.contract.records import Heartbeat

_PHASES = {"starting": "starting", "loading": "loading the model", "writing": "writing files"}


class Narrator:
    """Turns one job's statuses into lines.

    :param token: how the job is called in them.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._told = ""
        self._beat: Heartbeat | None = None
        self._since: Heartbeat | None = None

    def lines(self, status: JobStatus) -> list[str]:
        """What is new: the job's own lines behind ``|``, then its progress, then its state."""
        return [*(f"| {line}" for line in status.log.splitlines()), *self._progress(status), *self._state(status)]

    def _state(self, status: JobStatus) -> list[str]:
        where = " ".join(filter(None, [status.job_id, status.node]))
        told = f"{self._token} is {status.state.value} {status.reason}".rstrip() + (f" ({where})" if where else "")
        if told == self._told:
            return []
        self._told = told
        return [told]

    def _progress(self, status: JobStatus) -> list[str]:
        beat, before = status.progress, self._beat
        if beat is None or status.state is not JobState.RUNNING:
            return []
        self._beat = beat
        if before and (beat.phase, beat.done) == (before.phase, before.done):
            return []
        if beat.phase == "running" and self._since is None:
            self._since = beat
        line = progress_line(beat, self._since)
        return [f"{self._token}: {line}"] if line else []


def progress_line(beat: Heartbeat, since: Heartbeat | None = None) -> str:
    """How far a job is, how fast, and how long it will take; "" when it is done.

    :param beat: what it says now.
    :param since: an earlier word of the same job, from which its speed is measured.
    """
    if beat.phase in _PHASES:
        return _PHASES[beat.phase]
    if beat.phase == "done":
        return ""
    percent = f" ({100 * beat.done // beat.total} %)" if beat.total else ""
    return ", ".join([f"{beat.done}/{beat.total} items{percent}", *_speed(beat, since)])


def _speed(beat: Heartbeat, since: Heartbeat | None) -> list[str]:
    seconds = _seconds_between(since, beat) if since else 0.0
    if since is None or seconds <= 0 or beat.done <= since.done:
        return []
    per_second = (beat.done - since.done) / seconds
    tokens = (beat.tokens - since.tokens) / seconds
    left = f"{in_words((beat.total - beat.done) / per_second)} left"
    return [f"{per_second:.3g} items/s", *([f"{tokens:.0f} tokens/s"] if tokens > 0 else []), left]


def in_words(seconds: float) -> str:
    """A duration as people say it: ``40 s``, ``3 min``, ``2 h 05 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _seconds_between(one: Heartbeat, other: Heartbeat) -> float:
    try:
        return (datetime.fromisoformat(other.updated_at) - datetime.fromisoformat(one.updated_at)).total_seconds()
    except (TypeError, ValueError):  # no time, or only one of them with a time zone
        return 0.0
