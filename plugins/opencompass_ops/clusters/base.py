"""The seam to every cluster: submit, find, poll, cancel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from opencompass_ops.clusters.resources import Resources
from opencompass_ops.contract.records import Heartbeat


class JobState(str, Enum):
    """What the control side knows of a job."""

    # QUEUED: accepted by the cluster, not yet started.
    # RUNNING: started and alive.
    # SUCCEEDED: ended with code 0; a candidate for success until exit record and manifests agree.
    # FAILED: ended with another code or by a signal.
    # CANCELLED: stopped by somebody.
    # TIMEOUT: stopped by its time limit.
    # LOST: the cluster no longer has it and it left no end; never success.
    # PREEMPTED: stopped by the cluster to make room; goes on elsewhere or later.
    # NODE_FAIL: the node, the launch or the boot failed, not the job.
    # OUT_OF_MEMORY: killed because it needed more host memory than it had asked for.
    # REFUSED: accepted, but it can never start; the reason says why.
    # UNKNOWN: no evidence right now; not an end.
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    LOST = "lost"
    PREEMPTED = "preempted"
    NODE_FAIL = "node_fail"
    OUT_OF_MEMORY = "out_of_memory"
    REFUSED = "refused"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        """Whether the job can change no more."""
        return self not in (JobState.QUEUED, JobState.RUNNING, JobState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One answer about one job.

    :param reason: in words for people, e.g. ``killed by signal 9``.
    :param exit_code: of the job's main process; negative for a signal; None when not known.
    :param job_id: the cluster's handle, e.g. a pid or a Slurm job id.
    :param node: where it runs or ran, "" when not known.
    :param progress: how far the job says it is; None when it says nothing (yet).
    :param log: what the job printed since the last answer; "" for backends that do not read logs.
    """

    state: JobState
    reason: str = ""
    exit_code: int | None = None
    job_id: str = ""
    node: str = ""
    progress: Heartbeat | None = None
    log: str = ""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """Everything a cluster needs to start one shard.

    :param token: deterministic name, ``[a-z0-9-]``, at most 64 characters; the same token never starts twice.
    :param group: jobs of one run share it; admission counts its live jobs.
    :param max_running: how many jobs of the group may be alive at once.
    :param argv: the command, never a shell string.
    :param run_dir: the run directory as the job sees it.
    :param log_path: where stdout and stderr go, below run_dir; appended to.
    :param job_dir: the submission's folder, below run_dir.
    :param env: variables for the job, no secrets.
    :param num_gpus: devices the job needs, 0 for CPU.
    :param num_procs: processes torchrun starts, 1 for a plain start.
    :param minutes: time limit, None for the cluster's default.
    :param title: what people read, ``model/part``; part of the job's name where a cluster shows names.
    :param resources: what the model's ``run_cfg`` asks for, over the cluster's own.
    :param exclude: nodes that failed this shard before.
    :param memory_factor: how many times the usual host memory, after the host ran out of it.
    :param has_secrets: whether the job is given the cluster's secrets; not one that runs what models wrote.
    """

    token: str
    group: str
    max_running: int
    argv: tuple[str, ...]
    run_dir: str
    log_path: str
    job_dir: str
    env: Mapping[str, str] = field(default_factory=dict)
    num_gpus: int = 0
    num_procs: int = 1
    minutes: int | None = None
    title: str = ""
    resources: Resources = field(default_factory=Resources)
    exclude: tuple[str, ...] = ()
    memory_factor: float = 1.0
    has_secrets: bool = True


class Admission(str, Enum):
    """What submit did."""

    # ACCEPTED: the job was started or queued by this call.
    # ADOPTED: a job with this token was there already (alive, or ended on its own).
    # FULL: the group has max_running live jobs, or no device is free; ask again later.
    ACCEPTED = "accepted"
    ADOPTED = "adopted"
    FULL = "full"


class Cluster(Protocol):
    """Where jobs run. Every call is idempotent; every method may raise UnsureError for "no evidence"."""

    def preview(self, request: JobRequest) -> str:
        """The command that :meth:`submit` would have run, as one line for a shell; contacts nothing.

        :raises JobRefused: the cluster will never accept this request.
        """
        ...

    async def submit(self, request: JobRequest) -> Admission:
        """Start the job unless its token is known or the group is full.

        :raises JobRefused: the cluster will never accept this request; the message says why.
        :raises UnsureError: it is not known whether the job was accepted; call again, it adopts.
        """
        ...

    async def find(self, token: str) -> JobStatus | None:
        """The job's status if it is alive or has claimed its token; None when there is none."""
        ...

    async def poll(self, tokens: Sequence[str]) -> Mapping[str, JobStatus]:
        """The status of many jobs in one query; a token the cluster never saw maps to UNKNOWN."""
        ...

    async def cancel(self, tokens: Sequence[str]) -> None:
        """Stop the jobs and every process of theirs, and return when they are gone; unknown tokens are no error."""
        ...
