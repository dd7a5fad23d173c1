"""From the scheduler's last word and what the job left behind to an outcome; pure.

The scheduler says that a job is over and why; exit record, manifests and files say what it did. Success needs the
latter, and a scheduler that does not contradict them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from opencompass_ops.clusters.attempts import Outcome, items_done
from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.contract.records import ExitRecord

HOST, DEVICE = "host", "device"
"""Whose memory was too small."""

STOPPED_BY_LIMIT = "stopped by a limit: "
"""How the reason of a wish to stop begins that no person had, but a limit on time or GPU-hours."""

UNCONTRADICTED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.LOST})
"""Ends after which complete evidence is a success: a return code may be that of what came after the work."""

_KILLED_FROM_OUTSIDE = (-9, -15)  # SIGKILL, SIGTERM: the kernel's OOM killer, a host going down
_NO_PROGRAM = (126, 127)
_CLAIM_LOST = 75  # inference/job.py HELD
_TERMINATED = "Terminated"  # inference/job.py: SIGTERM came, what was finished is journaled
_HOST_MEMORY = "MemoryError"
_DEVICE_MEMORY = "OutOfMemoryError"
_DEVICE_MEMORY_TEXT = re.compile(
    r"(CUDA|HIP) out of memory|OutOfMemoryError|CUDA error: out of memory|CUBLAS_STATUS_ALLOC_FAILED"
)
_OVER = {
    JobState.NODE_FAIL: "InfrastructureError",
    JobState.LOST: "InfrastructureError",
    JobState.REFUSED: "JobRefused",
}


@dataclass(frozen=True)
class Facts:
    """What lies in the run directory when the scheduler has said its last word.

    :param problem: why the outputs are not proven to be there and right; "" when they are.
    :param record: the job's exit record.
    :param done: items done, as the heartbeat says.
    :param log: the end of the job's log; looked at only when there is no exit record.
    :param cancel: why the job was to be stopped, "" when nobody asked.
    :param earlier: how the shard's earlier submissions ended, oldest first.
    """

    problem: str
    record: ExitRecord | None = None
    done: int = 0
    log: str = ""
    cancel: str = ""
    earlier: Sequence[Outcome] = ()


@dataclass(frozen=True)
class _Why:
    error_type: str
    reason: str
    retryable: bool = True
    cause: str = ""


def judge(token: str, epoch: int, status: JobStatus, facts: Facts) -> Outcome:
    """How the submission ended.

    :param status: terminal.
    """
    if status.state in UNCONTRADICTED and not facts.problem:
        state, why = JobState.SUCCEEDED, _Why("", "")
    elif status.state is JobState.SUCCEEDED:
        state, why = JobState.FAILED, _failed(status, facts)
    elif status.state is JobState.CANCELLED or _stopped_as_asked(facts):
        reason = facts.cancel or status.reason or "cancelled"
        kind = "LimitReached" if reason.startswith(STOPPED_BY_LIMIT) else "JobCancelled"
        state, why = JobState.CANCELLED, _Why(kind, reason, retryable=False)
    else:
        state, why = status.state, _why(status, facts)
    return Outcome(
        token=token,
        epoch=epoch,
        state=state,
        reason=" ".join(why.reason.split()),
        error_type=why.error_type,
        retryable=why.retryable,
        job_id=status.job_id,
        node=status.node,
        done=facts.done,
        cause=why.cause,
    )


def _stopped_as_asked(facts: Facts) -> bool:
    """Whether somebody's wish explains the end, whatever the scheduler calls it."""
    return bool(facts.cancel) and (facts.record is None or facts.record.error_type == _TERMINATED)


def _why(status: JobStatus, facts: Facts) -> _Why:
    if status.state in _OVER:
        return _Why(_OVER[status.state], status.reason, retryable=status.state is not JobState.REFUSED)
    if status.state is JobState.OUT_OF_MEMORY:
        return _Why("OutOfMemory", status.reason, cause=HOST)
    if status.state in (JobState.TIMEOUT, JobState.PREEMPTED):
        return _interrupted(status, facts)
    return _failed(status, facts)


def _failed(status: JobStatus, facts: Facts) -> _Why:
    if facts.record and facts.record.returncode:
        return _as_recorded(status, facts, facts.record)
    if facts.record is None:
        return _without_record(status, facts)
    return _Why("JobFailed", facts.problem or status.reason)


def _as_recorded(status: JobStatus, facts: Facts, record: ExitRecord) -> _Why:
    if record.error_type == _TERMINATED:
        return _interrupted(status, facts)
    if record.error_type == _HOST_MEMORY:
        return _Why("OutOfMemory", record.error, cause=HOST)
    if record.error_type == _DEVICE_MEMORY or _DEVICE_MEMORY_TEXT.search(record.error):
        return _Why("OutOfMemory", record.error, cause=DEVICE)
    return _Why(record.error_type or "JobFailed", record.error or status.reason, record.retryable)


def _without_record(status: JobStatus, facts: Facts) -> _Why:
    reason = facts.problem if status.state is JobState.SUCCEEDED else status.reason
    memory = _DEVICE_MEMORY_TEXT.search(facts.log)
    if memory:
        return _Why("OutOfMemory", f"{reason}; its log says {memory[0]}", cause=DEVICE)
    if status.exit_code in _NO_PROGRAM:
        return _Why("JobRefused", reason, retryable=False)
    if status.exit_code == _CLAIM_LOST or status.exit_code in _KILLED_FROM_OUTSIDE:
        return _Why("InfrastructureError", reason)
    return _Why("JobFailed", reason)


def _interrupted(status: JobStatus, facts: Facts) -> _Why:
    """Go on while there is progress; a time limit that is too short for one item is nobody's bad luck."""
    before = items_done(facts.earlier)
    if facts.done > before:
        return _Why("JobInterrupted", f"{status.reason} ({facts.done} items are done, {facts.done - before} new)")
    if status.state is JobState.TIMEOUT:
        advice = "raise the time limit (limits.minutes) or make the shards smaller"
        return _Why("JobRefused", f"{status.reason} without one new item ({facts.done} are done); {advice}", False)
    return _Why("InfrastructureError", f"{status.reason} before it had done one new item ({facts.done} are done)")
