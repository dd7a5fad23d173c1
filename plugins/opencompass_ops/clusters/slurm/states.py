"""Slurm's words for a job's state, and what each means for whoever waits for it; pure.

A job's state is a base state and any number of flags. squeue and sacct show one word only, and a flag hides the
base: ``COMPLETING`` is shown for jobs that will be COMPLETED, FAILED or PENDING again, and is none of these.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.clusters.exit_codes import from_shell, in_words
from opencompass_ops.clusters.slurm.reasons import Wait, waiting
from opencompass_ops.clusters.slurm.rows import End, Row

_ROOT = "0"
_CANNOT_WRITE_LOG = 53
_LAUNCH_FAILURES = frozenset({"JobLaunchFailure", "SystemFailure", "NodeDown", "PartitionDown", "Prolog"})
_ALARM = "nothing happens until somebody acts"


@dataclass(frozen=True, slots=True)
class Meaning:
    """One of Slurm's state words, understood.

    :param code: the short form, "" where none is known.
    :param live: whether Slurm still has something to do for the job.
    :param words: for people; "" where the state says it all.
    :param over: of a flag, the base states it counts more than.
    """

    code: str
    state: JobState
    live: bool
    words: str = ""
    over: frozenset[str] = frozenset()


BASES = {
    "PENDING": Meaning("PD", JobState.QUEUED, True),
    "RUNNING": Meaning("R", JobState.RUNNING, True),
    "SUSPENDED": Meaning("S", JobState.RUNNING, True, "suspended by Slurm"),
    "COMPLETED": Meaning("CD", JobState.SUCCEEDED, False),
    "CANCELLED": Meaning("CA", JobState.CANCELLED, False, "cancelled"),
    "FAILED": Meaning("F", JobState.FAILED, False),
    "TIMEOUT": Meaning("TO", JobState.TIMEOUT, False, "stopped by its time limit"),
    "NODE_FAIL": Meaning("NF", JobState.NODE_FAIL, False, "its node failed"),
    "BOOT_FAIL": Meaning("BF", JobState.NODE_FAIL, False, "its node did not boot"),
    "PREEMPTED": Meaning("PR", JobState.PREEMPTED, False, "preempted by another job"),
    "OUT_OF_MEMORY": Meaning("OOM", JobState.OUT_OF_MEMORY, False, "it needed more host memory than it had asked for"),
    "DEADLINE": Meaning("DL", JobState.REFUSED, False, "its deadline passed; set another one and run it again"),
}
"""Every job has one of these."""

_ALL = frozenset(BASES)
_LIVE = frozenset(name for name, meaning in BASES.items() if meaning.live)
_HELD = f"{_ALARM}: it was requeued and is held; scontrol release it or cancel it"
_DELETED = f"{_ALARM}: its reservation was deleted; correct reservation and cancel it"

FLAGS = {
    "COMPLETING": Meaning("CG", JobState.RUNNING, True, "ending: Slurm still stops its processes", _ALL),
    "REVOKED": Meaning("RV", JobState.UNKNOWN, False, "it runs on another cluster of the federation; ask there", _ALL),
    "REQUEUE_HOLD": Meaning("RH", JobState.QUEUED, True, _HELD, _ALL),
    "SPECIAL_EXIT": Meaning("SE", JobState.QUEUED, True, _HELD, _ALL),
    "RESV_DEL_HOLD": Meaning("RD", JobState.QUEUED, True, _DELETED, _ALL),
    "REQUEUED": Meaning("RQ", JobState.QUEUED, True, "requeued by Slurm", _ALL),
    "REQUEUE_FED": Meaning("RF", JobState.QUEUED, True, "requeued by the federation", _ALL),
    "EXPEDITING": Meaning("", JobState.QUEUED, True, "requeued by Slurm, ahead of others", _ALL),
    "STAGE_OUT": Meaning("SO", JobState.RUNNING, True, "ending: its files are being copied", _ALL),
    "CONFIGURING": Meaning("CF", JobState.QUEUED, True, "its nodes are being prepared", _LIVE),
    "POWER_UP_NODE": Meaning("", JobState.QUEUED, True, "its nodes are being switched on", _LIVE),
    "SIGNALING": Meaning("SI", JobState.RUNNING, True, "being signalled", _LIVE),
    "RESIZING": Meaning("RS", JobState.RUNNING, True, "being resized", _LIVE),
    "STOPPED": Meaning("ST", JobState.RUNNING, True, "stopped by a signal; it keeps its nodes", _LIVE),
    "LAUNCH_FAILED": Meaning("", JobState.NODE_FAIL, False, "it could not be launched", frozenset({"FAILED"})),
    "RECONFIG_FAIL": Meaning("", JobState.NODE_FAIL, False, "its nodes could not be prepared", frozenset({"FAILED"})),
    "UPDATE_DB": Meaning("", JobState.UNKNOWN, True, "being written to accounting"),
}
"""What may be added to a base, the decisive ones first."""

_BY_CODE = {meaning.code: name for name, meaning in {**BASES, **FLAGS}.items() if meaning.code}


def status_of(row: Row | None, end: End | None = None, *, job_id: str = "", preemptible: bool = False) -> JobStatus:
    """What is known of a job.

    :param row: the scheduler's word; None when neither queue nor accounting show the job (yet).
    :param end: the batch script's last word; it counts only for the same job and restart.
    :param job_id: the recorded id, for a job without row.
    :param preemptible: whether its partition makes room by cancelling, which Slurm writes as ``CANCELLED by 0``.
    """
    if end and not _is_about(end, row, job_id):
        end = None
    status = JobStatus(JobState.UNKNOWN, "neither in the queue nor in accounting (yet)", None, job_id)
    if row:
        status = _of_row(row, end, preemptible)
    return _of_end(end) if end and status.state is JobState.UNKNOWN else status


def is_live(row: Row) -> bool:
    """Whether Slurm still has something to do for the job; True for states that are not known here."""
    names = _names(row.state)
    return not _known(names) or _deciding(names)[1].live


def needs_accounting(row: Row) -> bool:
    """Whether only accounting can tell what the row means: the queue never says who cancelled."""
    return row.state.strip() in ("CANCELLED", BASES["CANCELLED"].code)


def may_be_preemption(row: Row) -> bool:
    """Whether it depends on its partition what this end means: root cancels, and so does Slurm to make room."""
    return _canceller(row) == _ROOT


def _of_row(row: Row, end: End | None, preemptible: bool) -> JobStatus:
    names = _names(row.state)
    if not _known(names):
        alarm = f"Slurm says {row.state!r}, which is not known here; look with scontrol show job {row.job_id}"
        return _status(JobState.UNKNOWN, alarm, row)
    name, meaning = _deciding(names)
    if name == "PENDING":
        return _pending(row)
    if name == "COMPLETED":
        return _completed(row)
    if name == "CANCELLED":
        return _cancelled(row, preemptible)
    if name == "FAILED":
        return _failed(row, end)
    return _status(meaning.state, meaning.words, row)


def _pending(row: Row) -> JobStatus:
    found = waiting(row.reason)
    if found.kind is Wait.IMPOSSIBLE:
        return _status(JobState.REFUSED, found.words, row)
    if found.kind is Wait.BROKEN:
        return _status(JobState.NODE_FAIL, found.words, row)
    again = f"requeued by Slurm (restart {row.restarts})" if row.restarts else ""
    return _status(JobState.QUEUED, "; ".join(filter(None, (again, found.words))), row)


def _completed(row: Row) -> JobStatus:
    if row.ending and row.ending.number:
        return _status(JobState.FAILED, f"COMPLETED, yet {in_words(row.ending.number)}", row)
    return _status(JobState.SUCCEEDED, "", row)


def _cancelled(row: Row, preemptible: bool) -> JobStatus:
    if not _canceller(row):
        return _status(JobState.CANCELLED, "cancelled; the queue does not say by whom", row)
    if preemptible and may_be_preemption(row):
        return _status(JobState.PREEMPTED, "preempted: cancelled by Slurm in a preemptible partition", row)
    return _status(JobState.CANCELLED, f"cancelled by user id {_canceller(row)}", row)


def _canceller(row: Row) -> str:
    """The user id that accounting names, "" when it names none."""
    who = re.search(r"CANCELLED by (\d+)", row.state)
    return who[1] if who else ""


def _failed(row: Row, end: End | None) -> JobStatus:
    if not row.started:
        why = waiting(row.reason)
        words = why.words if why.kind is Wait.IMPOSSIBLE else f"Slurm refused it ({row.reason or 'no reason given'})"
        return _status(JobState.REFUSED, words, row)
    if row.ending and row.ending.signal == _CANNOT_WRITE_LOG:
        words = "it cannot write its log there (0:53); make the run directory writable for it"
        return _status(JobState.REFUSED, words, row)
    if row.reason == "OutOfMemory":
        return _status(JobState.OUT_OF_MEMORY, BASES["OUT_OF_MEMORY"].words, row)
    if row.reason in _LAUNCH_FAILURES and end is None:
        how = f", {in_words(row.ending.number)}" if row.ending and row.ending.number else ""
        return _status(JobState.NODE_FAIL, f"the launch failed or the job was killed from outside{how}", row)
    return _status(JobState.FAILED, end.why if end else "", row)


def _status(state: JobState, words: str, row: Row) -> JobStatus:
    code = from_shell(row.ending.number) if row.ending else None
    if state is not JobState.SUCCEEDED and code == 0:
        code = None  # Slurm writes 0:0 for whatever has no code
    if state is JobState.FAILED and not words:
        words = in_words(code)
    if not state.is_terminal:
        return JobStatus(state, words, None, row.job_id, row.node)
    return JobStatus(state, f"{row.node}: {words}" if row.node and words else words, code, row.job_id, row.node)


def _of_end(end: End) -> JobStatus:
    code = from_shell(end.returncode)
    if code == 0:
        return JobStatus(JobState.SUCCEEDED, "", 0, end.job_id, end.node)
    return JobStatus(JobState.FAILED, end.why or f"{in_words(code)}, says its script", code, end.job_id, end.node)


def _is_about(end: End, row: Row | None, job_id: str) -> bool:
    if row:
        return end.job_id == row.job_id and end.restart >= row.restarts
    return not job_id or end.job_id == job_id


def _names(state: str) -> list[str]:
    words = re.split(r"[\s,+]+", re.sub(r" by \S+", "", state).strip().upper())
    return [_BY_CODE.get(word, word) for word in words if word]


def _known(names: list[str]) -> bool:
    return bool(names) and all(name in BASES or name in FLAGS for name in names)


def _deciding(names: list[str]) -> tuple[str, Meaning]:
    """The word that counts: a flag that is more than the base, or that stands alone."""
    base = next((name for name in names if name in BASES), "")
    for name, flag in FLAGS.items():
        if name in names and (not base or base in flag.over):
            return name, flag
    return base, BASES[base]
