"""One coroutine from a shard's spec to its outcome: admit, submit or adopt, wait, judge.

The trigger and the command line call the same coroutine. Cancelling it leaves the job alone, because a
trigger is cancelled whenever it moves to another triggerer; :func:`cancel_shard` is what stops a job.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
from collections.abc import Callable
from pathlib import Path

from opencompass_ops.clusters import attempts
from opencompass_ops.clusters.attempts import Attempt, Outcome
from opencompass_ops.clusters.base import Admission, JobRequest, JobState, JobStatus
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.poller import Poller, poller_for
from opencompass_ops.contract import evidence, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import INFER, ShardSpec
from opencompass_ops.errors import (
    InfrastructureError,
    JobCancelled,
    JobFailed,
    JobRefused,
    MissingParts,
    OpsError,
    UnsureError,
)

log = logging.getLogger(__name__)

OnStatus = Callable[[JobStatus], None]

_FIRST_PAUSE = 0.5
_MAX_FULL_PAUSE = 2.0
_MAX_UNSURE_PAUSE = 60.0
_TAIL_BYTES = 64 * 1024
_KILLED_FROM_OUTSIDE = (-9, -15)  # SIGKILL, SIGTERM: the kernel's OOM killer, a host going down


def build_request(
    config: ClusterConfig, run_dir: str, spec: ShardSpec, attempt: Attempt, group: str, max_running: int
) -> JobRequest:
    """What the cluster is asked to start: ``python -m inference KIND SPEC --run-dir ... --token ... --epoch ...``.

    The job's id is known only once it runs, so it is no argument: every backend sets
    ``OPENCOMPASS_OPS_JOB_ID`` in the job's environment.

    :param group: jobs that share ``max_running``, usually those of one run.
    """
    files = LocalFiles(run_dir)
    gpus, procs = _size(config, spec)
    limits = config.limits
    argv = (
        *(config.interpreter, "-m", "inference", spec.kind, str(files.path(layout.shard_spec(spec.id)))),
        *("--run-dir", run_dir, "--token", attempt.token, "--epoch", str(attempt.epoch)),
    )
    return JobRequest(
        token=attempt.token,
        group=group,
        max_running=min(max_running, limits.max_num_workers or max_running),
        argv=argv,
        run_dir=run_dir,
        log_path=_log_path(spec),
        job_dir=layout.job(attempt.token),
        env=_variables(config, attempt),
        num_gpus=gpus,
        num_procs=procs,
        minutes=limits.minutes,
    )


async def run_shard(
    config: ClusterConfig,
    files: LocalFiles,
    run_dir: str,
    spec: ShardSpec,
    attempt: Attempt,
    group: str,
    max_running: int,
    on_status: OnStatus | None = None,
) -> Outcome:
    """See one submission through; its history and verdict are written on the way.

    :param on_status: called with each new state; must return at once.
    :raises asyncio.CancelledError: the caller was cancelled; the job was not.
    """
    concluded = attempts.verdict(files, attempt.token)
    if concluded:
        return concluded

    def seen(status: JobStatus) -> None:
        attempts.note(files, attempt.token, status)
        if on_status:
            on_status(status)

    request = build_request(config, run_dir, spec, attempt, group, max_running)
    poller = poller_for(config)
    try:
        if not await _admitted(poller, files, request, seen):
            return attempts.verdict(files, attempt.token) or _cancelled(attempt.token)
        status = await poller.wait(attempt.token, seen)
        outcome = await asyncio.to_thread(judge, files, spec, attempt, status)
    except JobRefused as error:
        outcome = Outcome(attempt.token, attempt.epoch, JobState.FAILED, str(error), "JobRefused", retryable=False)
    attempts.conclude(files, outcome)
    return attempts.verdict(files, attempt.token) or outcome


async def cancel_shard(config: ClusterConfig, files: LocalFiles, token: str) -> None:
    """Stop the job and every process of it, and conclude it as cancelled unless it has succeeded already.

    :raises UnsureError: it is not known whether the job is gone; call again.
    """
    concluded = attempts.verdict(files, token)
    if concluded and concluded.ok:
        return
    cluster = poller_for(config).cluster
    await cluster.cancel([token])
    attempts.conclude(files, _cancelled(token))
    # A submission that was on its way during the first cancel either sees the verdict or is found now.
    await cluster.cancel([token])


def judge(files: LocalFiles, spec: ShardSpec, attempt: Attempt, status: JobStatus) -> Outcome:
    """What a terminal status, the exit record and the manifests say together.

    :param status: terminal.
    """
    record = evidence.read_exit(files, attempt.token)
    reason = status.reason
    state, kind, retryable = status.state, "JobFailed", True
    if state is JobState.SUCCEEDED:
        reason = evidence.job_problem(files, spec, attempt.token)
        if not reason:
            return Outcome(attempt.token, attempt.epoch, state, job_id=status.job_id)
        state = JobState.FAILED
    if state is JobState.CANCELLED:
        kind, retryable = "JobCancelled", False
    elif state is JobState.LOST or (record is None and status.exit_code in _KILLED_FROM_OUTSIDE):
        kind = "InfrastructureError"
    elif state is JobState.FAILED and record and record.returncode != 0:
        kind, retryable = record.error_type or kind, record.retryable
        reason = record.error or reason
    return Outcome(attempt.token, attempt.epoch, state, _one_line(reason), kind, retryable, status.job_id)


def error_of(outcome: Outcome, spec: ShardSpec, tail: str) -> OpsError:
    """The error whose class is the policy for this outcome.

    :param outcome: not a success.
    :param tail: the log's last lines.
    """
    message = f"{spec.label} ({outcome.token}): {outcome.state.value}: {outcome.reason or 'no reason given'}"
    if tail:
        message += f"\nlast lines of {_log_path(spec)}:\n{tail}"
    return _error_class(outcome)(message)


def log_tail(files: LocalFiles, spec: ShardSpec, lines: int = 30) -> str:
    """The last lines of the shard's log, read from the file's end only; "" when there is none."""
    try:
        with files.path(_log_path(spec)).open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _TAIL_BYTES))
            content = stream.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(content.splitlines()[-lines:])


async def _admitted(poller: Poller, files: LocalFiles, request: JobRequest, seen: OnStatus) -> bool:
    """Submit or adopt; False when somebody cancelled the shard meanwhile."""
    pause = _FIRST_PAUSE
    while True:
        try:
            if await poller.cluster.find(request.token):
                return True
            async with poller.gate(request.group):
                if not await _submitted(poller, files, request, seen):
                    return False
            if attempts.verdict(files, request.token):
                await poller.cluster.cancel([request.token])
                return False
            return True
        except UnsureError as error:
            log.warning("%s: not known whether it was accepted, asked again: %s", request.token, error)
            await asyncio.sleep(_jittered(pause))
            pause = min(pause * 2, _MAX_UNSURE_PAUSE)


async def _submitted(poller: Poller, files: LocalFiles, request: JobRequest, seen: OnStatus) -> bool:
    pause = 0.0
    while not attempts.verdict(files, request.token):
        if await poller.cluster.submit(request) is not Admission.FULL:
            return True
        if not pause:
            reason = f"waiting: {request.max_running} of the run are alive, or no device is free"
            seen(JobStatus(JobState.QUEUED, reason))
        pause = min(pause + _FIRST_PAUSE, _MAX_FULL_PAUSE)
        await asyncio.sleep(_jittered(pause))
    return False


def _error_class(outcome: Outcome) -> type[OpsError]:
    named: dict[str, type[OpsError]] = {
        kind.__name__: kind for kind in (JobCancelled, InfrastructureError, MissingParts)
    }
    if outcome.error_type in named:
        return named[outcome.error_type]
    return JobFailed if outcome.retryable else JobRefused


def _size(config: ClusterConfig, spec: ShardSpec) -> tuple[int, int]:
    """Devices and processes of the job; an evaluation needs none and one."""
    if spec.kind != INFER:
        return 0, 1
    run_cfg = spec.model.get("run_cfg") or {}
    return int(run_cfg.get("num_gpus", config.resources.num_gpus)), int(run_cfg.get("num_procs", 1))


def _variables(config: ClusterConfig, attempt: Attempt) -> dict[str, str]:
    # Unbuffered, so that the log of a killed job ends where the job did.
    variables = {"OPENCOMPASS_OPS_EPOCH": str(attempt.epoch), "PYTHONUNBUFFERED": "1"}
    if config.code_folders:
        variables["PYTHONPATH"] = os.pathsep.join(str(Path(folder)) for folder in config.code_folders)
    return variables


def _cancelled(token: str) -> Outcome:
    epoch = int(token.rpartition("-e")[2])
    return Outcome(token, epoch, JobState.CANCELLED, "cancelled", "JobCancelled", retryable=False)


def _log_path(spec: ShardSpec) -> str:
    return layout.log(spec.kind, spec.model_abbr, spec.parts[0].name)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311  # jitter, not a secret


def _one_line(text: str) -> str:
    return " ".join(text.split())
