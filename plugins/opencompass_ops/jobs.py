"""A shard's job as trigger, worker and command line hand it to each other."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opencompass_ops.clusters import attempts
from opencompass_ops.clusters.attempts import Attempt, Outcome
from opencompass_ops.clusters.base import JobStatus
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.poller import poller_for
from opencompass_ops.contract import evidence, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.spec import ShardSpec
from opencompass_ops.drive import OnStatus, cancel_shard, error_of, log_path, log_tail, run_shard
from opencompass_ops.errors import JobError


@dataclass(frozen=True)
class Job:
    """Everything needed to submit, adopt, watch or cancel one submission of a shard, in any process.

    :param cluster: ``ClusterConfig.to_values()``.
    :param max_running: how many jobs of the run may be alive at once.
    """

    run_dir: str
    shard: str
    token: str
    epoch: int
    cluster: dict[str, Any]
    max_running: int

    def to_values(self) -> dict[str, Any]:
        """Plain JSON values for a trigger's arguments."""
        return dataclasses.asdict(self)

    @property
    def config(self) -> ClusterConfig:
        """The cluster it runs on."""
        return ClusterConfig.from_values(self.cluster["name"], self.cluster)


def job_for(run_dir: str, shard: str) -> Job:
    """The submission to make or to adopt now: a new epoch when the last one is over without success."""
    files = LocalFiles(run_dir)
    plan = Plan.from_json(files.read(layout.PLAN))
    attempt = attempts.current(files, plan.instance, plan.run_dir, shard)
    return Job(run_dir, shard, attempt.token, attempt.epoch, plan.cluster, plan.max_num_workers)


def is_done(run_dir: str, shard: str) -> bool:
    """Whether the shard's outputs are there with the plan's fingerprints."""
    files = LocalFiles(run_dir)
    return not evidence.shard_problem(files, read_spec(run_dir, shard))


async def run_job(job: Job, on_status: OnStatus | None = None) -> Outcome:
    """Admit, submit or adopt, wait and judge; cancelling this coroutine leaves the job alone."""
    files, spec = LocalFiles(job.run_dir), read_spec(job.run_dir, job.shard)
    attempt = Attempt(job.token, job.epoch)
    return await run_shard(
        job.config, files, job.run_dir, spec, attempt, group=job.run_dir, max_running=job.max_running, on_status=on_status
    )


async def cancel_job(job: Job, reason: str) -> None:
    """Stop the job and every process of it; a success stays one."""
    await cancel_shard(job.config, LocalFiles(job.run_dir), job.token, reason)


async def watch_job(cluster: dict[str, Any], token: str) -> JobStatus:
    """Wait for a job that something else submitted."""
    return await poller_for(ClusterConfig.from_values(cluster["name"], cluster)).wait(token)


def failure_of(outcome: Outcome, run_dir: str, shard: str) -> JobError:
    """The typed error of an outcome that is no success, with the log's last lines and how earlier ones ended."""
    files, spec = LocalFiles(run_dir), read_spec(run_dir, shard)
    plan = Plan.from_json(files.read(layout.PLAN))
    earlier = attempts.current(files, plan.instance, plan.run_dir, shard).previous
    error = error_of(outcome, spec, log_tail(files, spec))
    error.earlier = tuple(type(error_of(before, spec, "")).__name__ for before in earlier if before.epoch < outcome.epoch)
    return error


def log_file(run_dir: str, shard: str) -> Path:
    """Where the shard's output goes."""
    return LocalFiles(run_dir).path(log_path(read_spec(run_dir, shard)))


def read_spec(run_dir: str, shard: str) -> ShardSpec:
    """What the shard's job is told."""
    return ShardSpec.from_json(LocalFiles(run_dir).read(layout.shard_spec(shard)))
