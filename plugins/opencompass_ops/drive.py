"""One coroutine from a shard's spec to its outcome: admit, submit or adopt, wait, judge.

The trigger and the command line call the same coroutine. Cancelling it leaves the job alone, because a
trigger is cancelled whenever it moves to another triggerer; :func:`cancel_job` is what stops a job.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from opencompass_ops.budgets.events import way_on
from opencompass_ops.budgets.meter import NOT_BEGUN, Meter, meter_for, tell
from opencompass_ops.budgets.watched import Watched
from opencompass_ops.clusters import attempts, judgement
from opencompass_ops.clusters.attempts import Outcome
from opencompass_ops.clusters.base import Admission, JobRequest, JobState, JobStatus
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.poller import cluster_for, poller_for
from opencompass_ops.contract import evidence
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import PlannedLimits
from opencompass_ops.errors import (
    InfrastructureError,
    JobCancelled,
    JobError,
    JobFailed,
    JobInterrupted,
    JobRefused,
    LimitReached,
    MissingParts,
    OutOfMemory,
    UnsureError,
)
from opencompass_ops.jobs import Job, build_request, job_for, log_path, log_tail, read_spec

log = logging.getLogger(__name__)

OnStatus = Callable[[JobStatus], None]
Answer = TypeVar("Answer")

FILES_LAG_SECONDS = 60.0
"""A shared file system may show another host's new files so much later (NFS: acdirmax)."""

_FIRST_PAUSE = 0.5
_MAX_FULL_PAUSE = 2.0
_MAX_UNSURE_PAUSE = 60.0

_CLASSES: dict[str, type[JobError]] = {
    "JobCancelled": JobCancelled,
    "InfrastructureError": InfrastructureError,
    "JobInterrupted": JobInterrupted,
    "OutOfMemory": OutOfMemory,
    "LimitReached": LimitReached,
    "MissingParts": MissingParts,  # as inference/problems.py names it in an evaluation's exit record
}


async def run_job(job: Job, on_status: OnStatus | None = None, database_url: str | None = None) -> Outcome:
    """See one submission through, within its run's limits; its history and verdict are written on the way.

    :param on_status: called with each new state, progress or piece of log; must return at once.
    :param database_url: of the results database, in which GPU-hours are booked; None counts none and keeps to the
        limits on the clock.
    :raises asyncio.CancelledError: the caller was cancelled; the job was not.
    """
    outcome = attempts.verdict(job.files, job.token) or await _metered(job, on_status, meter_for(database_url))
    if not outcome.ok and outcome.error_type != JobRefused.__name__:
        # A lost job may run on, and Slurm may start one again that has ended, under the same id: a requeue that the
        # queue does not show yet, or an administrator's. Beside the next job it would do the work twice.
        await _surely(lambda: cluster_for(job.config).cancel([job.token]), f"{job.token}: not known to stay stopped")
    return outcome


async def _metered(job: Job, on_status: OnStatus | None, meter: Meter) -> Outcome:
    """See it through while it is within its limits."""
    watched = _watched(job)
    async with meter.watching(watched):
        refused = None if watched.is_admitted else await meter.refusal(watched)
        if refused:
            tell(watched, refused, was_running=False)
            reason = f"{NOT_BEGUN}{refused.limit}"
            outcome = Outcome(job.token, job.epoch, JobState.CANCELLED, reason, "LimitReached", retryable=False)
            attempts.conclude(job.files, outcome)
            return attempts.verdict(job.files, job.token) or outcome
        outcome = await _seen_through(job, _Observer(job, on_status, watched))
        watched.spans = _spans(job)  # as it was, which may have been known late
        return outcome


def _watched(job: Job) -> Watched:
    """The job as its limits see it, with what earlier jobs of the shard ran since the run's launch."""
    limits = PlannedLimits(**job.limits)
    launched = datetime.fromisoformat(limits.launched) if limits.launched else datetime.min.replace(tzinfo=UTC)
    first = attempts.first_ran(job.files, job.token)
    earlier = (attempts.ran(job.files, outcome.token) for outcome in attempts.before(job.files, job.token))
    spans = (span for each in earlier for span in each)
    before = sum((end - begin).total_seconds() for begin, end in spans if end and begin >= launched)

    async def stop(reason: str) -> None:
        attempts.ask_cancel(job.files, job.token, reason)
        await cluster_for(job.config).cancel([job.token])

    return Watched(
        token=job.token,
        shard=job.shard,
        label=job.spec.label,
        run_dir=job.run_dir,
        files=job.files,
        limits=limits,
        cluster=job.config.name,
        gpus=job.gpus,
        expected=job.expected,
        before=before,
        first=first.timestamp() if first else None,
        stop=stop,
        spans=_spans(job),
        is_admitted=job.was_submitted,
    )


def _spans(job: Job) -> list[tuple[float, float | None]]:
    """When the job ran, seconds since 1970."""
    found = attempts.ran(job.files, job.token)
    return [(begin.timestamp(), end.timestamp() if end else None) for begin, end in found]


async def _seen_through(job: Job, seen: _Observer) -> Outcome:
    """Admit, wait and judge; the first verdict of all who do this counts."""
    try:
        if await _admitted(job, seen):
            status = await poller_for(job.config).wait(job.token, seen)
        else:
            status = JobStatus(JobState.CANCELLED)
        outcome = await _judged(job, status, was_seen=seen.has_run)
    except JobRefused as error:
        outcome = Outcome(job.token, job.epoch, JobState.FAILED, str(error), "JobRefused", retryable=False)
    attempts.conclude(job.files, outcome)
    return attempts.verdict(job.files, job.token) or outcome


async def watch_job(cluster: dict[str, Any], token: str) -> JobStatus:
    """Wait for a job without submitting, adopting or judging it.

    :param cluster: ``ClusterConfig.to_values()``.
    :returns: a terminal status.
    """
    return await poller_for(ClusterConfig.from_values(str(cluster["name"]), cluster)).wait(token)


async def cancel_job(job: Job, reason: str) -> None:
    """Stop the job and every process of it, and conclude it as cancelled unless it is over already.

    The wish is written first: a submission on its way either sees it afterwards or is found and stopped here.

    :param reason: who wanted it, for people.
    :raises UnsureError: it is not known whether the job is gone; call again.
    """
    if attempts.verdict(job.files, job.token):
        return
    attempts.ask_cancel(job.files, job.token, reason)
    cluster = cluster_for(job.config)
    await cluster.cancel([job.token])
    status = await cluster.find(job.token)
    if status is None or not status.state.is_terminal:
        status = JobStatus(JobState.CANCELLED)
    attempts.conclude(job.files, await asyncio.to_thread(judge, job, status))


def judge(job: Job, status: JobStatus, *, was_seen: bool = True) -> Outcome:
    """What a terminal status, the exit record and the manifests say together.

    :param status: terminal.
    :param was_seen: whether this process saw it run, so that its end is no older than the last look; else its own last
        sign of life counts.
    """
    files, token = job.files, job.token
    complete = status.state in judgement.UNCONTRADICTED
    record, beat = evidence.read_exit(files, token), status.progress or evidence.read_heartbeat(files, token)
    facts = judgement.Facts(
        problem=evidence.job_problem(files, job.spec, token) if complete else status.reason,
        record=record,
        done=beat.done if beat else 0,
        log="" if record else log_tail(job.run_dir, job.shard).rpartition(token)[2],
        cancel=attempts.cancel_asked(files, token),
        earlier=attempts.before(files, token),
    )
    sign = record.finished_at if record else beat.updated_at if beat and not was_seen else ""
    begun = attempts.starts(files, token)
    return replace(judgement.judge(token, job.epoch, status, facts), began_at=begun[-1] if begun else "", ended_at=sign)


def error_of(outcome: Outcome, run_dir: str, shard: str) -> JobError:
    """The error whose class is the policy for this outcome, with the log's last lines.

    :param outcome: not a success.
    """
    files = LocalFiles(run_dir)
    label = read_spec(files, shard).label
    message = f"{label} ({outcome.token}): {outcome.state.value}: {outcome.reason}"
    if _error_class(outcome) is LimitReached:
        message += f"; {way_on(files.root.name)}"
    tail = log_tail(run_dir, shard)
    if tail:
        message += f"\nlast lines of {log_path(run_dir, shard)}:\n{tail}"
    earlier = tuple(_error_class(before).__name__ for before in attempts.before(files, outcome.token))
    return _error_class(outcome)(message, earlier)


def out_of_time(run_dir: str, shard: str, message: str) -> JobError:
    """The error for a shard whose job was cancelled because its time in Airflow was over.

    :returns: JobInterrupted when the job had done at least one item more than those before it, else JobRefused.
    """
    job = job_for(run_dir, shard)
    *earlier, last = attempts.before(job.files, job.token) or (None,)
    if last is None or last.done > attempts.items_done(earlier):
        return JobInterrupted(f"{message}; its job was cancelled, the next one goes on")
    return JobRefused(f"{message}, in which it did no new item ({last.done} are done); raise it or make shards smaller")


class _Observer:
    """Notes each new state in the history before it passes statuses on."""

    def __init__(self, job: Job, on_status: OnStatus | None, watched: Watched) -> None:
        self._job = job
        self._watched = watched
        self._on_status = on_status
        self._state: JobState | None = None
        self.has_run = False

    def __call__(self, status: JobStatus) -> None:
        if status.state is not self._state:
            attempts.note(self._job.files, self._job.token, status)
            self._state = status.state
            self._watched.spans = _spans(self._job)
            self.has_run |= status.state is JobState.RUNNING
        if self._on_status:
            self._on_status(status)


async def _admitted(job: Job, seen: OnStatus) -> bool:
    """Submit or adopt; False when the job shall not run, and does not."""
    request, cluster = build_request(job), cluster_for(job.config)
    begun = job.was_submitted

    async def admit() -> bool:
        nonlocal begun
        # What nobody has begun to submit need not be looked for: that would be one more query for each new shard.
        known = begun and await cluster.find(job.token)
        begun = True
        if not known:
            async with poller_for(job.config).gate(job.group):
                await _submit(job, request, seen)
        if not _is_unwanted(job):
            return True
        await cluster.cancel([job.token])
        return await cluster.find(job.token) is not None

    return await _surely(admit, f"{job.token}: not known whether the cluster has it")


def _is_unwanted(job: Job) -> bool:
    """Whether somebody asked to stop it, or another process has concluded that it failed, e.g. was refused."""
    concluded = attempts.verdict(job.files, job.token)
    return bool(attempts.cancel_asked(job.files, job.token)) or (concluded is not None and not concluded.ok)


async def _submit(job: Job, request: JobRequest, seen: OnStatus) -> None:
    """Ask until the cluster takes the job or nobody wants it any more."""
    pause = 0.0
    while not _is_unwanted(job):
        if await cluster_for(job.config).submit(request) is not Admission.FULL:
            return
        if not pause:
            reason = f"waiting: {request.max_running} of the run are alive, or no device is free"
            seen(JobStatus(JobState.QUEUED, reason))
        pause = min(pause + _FIRST_PAUSE, _MAX_FULL_PAUSE)
        await asyncio.sleep(_jittered(pause))


async def _judged(job: Job, status: JobStatus, *, was_seen: bool) -> Outcome:
    """The outcome; a shared file system may show late what makes it a success."""
    look = partial(judge, job, status, was_seen=was_seen)
    outcome = await asyncio.to_thread(look)
    patience = 0.0 if job.config.kind == "local" else FILES_LAG_SECONDS
    pause = _FIRST_PAUSE
    while status.state is JobState.SUCCEEDED and not outcome.ok and patience > 0:
        await asyncio.sleep(pause)
        patience, pause = patience - pause, pause * 2
        outcome = await asyncio.to_thread(look)
    return outcome


async def _surely(question: Callable[[], Awaitable[Answer]], unknown: str) -> Answer:
    """Ask until there is an answer: trouble on the way to the cluster pauses a shard and never fails it."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return await question()
        except UnsureError as error:
            log.warning("%s, asked again: %s", unknown, error)
            await asyncio.sleep(_jittered(pause))
            pause = min(pause * 2, _MAX_UNSURE_PAUSE)


def _error_class(outcome: Outcome) -> type[JobError]:
    return _CLASSES.get(outcome.error_type) or (JobFailed if outcome.retryable else JobRefused)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  # jitter, not a secret
