"""What a job's folder and /proc say about a local job."""

from __future__ import annotations

import time

from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.clusters.local_records import Start, read_end, read_start, start_path
from opencompass_ops.clusters.processes import host
from opencompass_ops.contract.files import LocalFiles

_SILENT_SECONDS = 300.0
"""A supervisor gives a sign of life every 15 s; clocks of hosts that share a folder differ by seconds."""


def status_of(files: LocalFiles, token: str) -> JobStatus:
    """The job's status; UNKNOWN while no supervisor owns it.

    Of a job of another host only its supervisor's sign of life can be seen.
    """
    end = read_end(files, token)
    if end:
        return end.status
    start = read_start(files, token)
    if start is None:
        return JobStatus(JobState.UNKNOWN, "asked for, not started yet")
    why_not = _absence(files, token, start)
    if not why_not:
        return JobStatus(JobState.RUNNING, "", None, str(start.pid))
    end = read_end(files, token)  # it may have ended between the two looks
    return end.status if end else JobStatus(JobState.LOST, why_not, None, str(start.pid))


def _absence(files: LocalFiles, token: str, start: Start) -> str:
    """Why the job's supervisor cannot be alive; "" when it is."""
    if start.host != host():
        silent = time.time() - files.path(start_path(token)).stat().st_mtime
        return f"no sign of life from host {start.host} for {silent:.0f} s" if silent > _SILENT_SECONDS else ""
    if not start.process.is_here:
        return f"host {start.host} was restarted"
    return "" if start.process.is_alive() else "its supervisor was killed and left no end"
