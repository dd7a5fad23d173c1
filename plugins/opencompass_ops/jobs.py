"""One submission of one shard: what it is, what the cluster is asked to start for it, and what it prints."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from opencompass_ops.clusters import attempts
from opencompass_ops.clusters.adaptation import adapt
from opencompass_ops.clusters.base import JobRequest
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.resources import Resources
from opencompass_ops.contract import evidence, layout, variables
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.spec import INFER, OPENCOMPASS, RUN_CODE, ShardSpec

_TAIL_BYTES = 64 * 1024
_TAIL_LINES = 30


@dataclass(frozen=True)
class Job:
    """One submission of one shard: all that another process needs to see it through.

    :param cluster: ``ClusterConfig.to_values()``.
    :param run_dir: the run directory on this side.
    :param shard: the shard's id.
    :param epoch: number of the deliberate submission, from 1.
    :param group: jobs that share ``max_running``: those of the run.
    :param limits: of the run, the values of a ``PlannedLimits``.
    :param gpus: devices of the job.
    :param expected: seconds that it was planned to take, 0 when nobody knows.
    """

    cluster: dict[str, Any]
    run_dir: str
    shard: str
    token: str
    epoch: int
    group: str
    max_running: int
    limits: dict[str, Any] = field(default_factory=dict)
    gpus: int = 0
    expected: float = 0.0

    def to_values(self) -> dict[str, Any]:
        """Plain JSON values that :meth:`from_values` reads."""
        return asdict(self)

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Job:
        """The job that :meth:`to_values` wrote."""
        return cls(**values)

    @cached_property
    def files(self) -> LocalFiles:
        """The run directory."""
        return LocalFiles(self.run_dir)

    @cached_property
    def config(self) -> ClusterConfig:
        """Where the job runs."""
        return ClusterConfig.from_values(str(self.cluster["name"]), self.cluster)

    @property
    def facts(self) -> dict[str, str]:
        """What people and other tasks want to know before the cluster says anything."""
        return {
            "cluster": self.config.name,
            "token": self.token,
            "run_dir": self.run_dir,
            "shard": self.shard,
            "log": str(self.files.path(_log(self.spec))),
        }

    @property
    def was_submitted(self) -> bool:
        """Whether somebody has begun to submit it."""
        return self.files.exists(layout.job(self.token))

    @property
    def is_open(self) -> bool:
        """Whether somebody has begun to submit it and nobody has concluded it."""
        return self.was_submitted and attempts.verdict(self.files, self.token) is None

    def ask_cancel(self, reason: str) -> None:
        """Say that it shall stop; whoever sees it through carries that out."""
        attempts.ask_cancel(self.files, self.token, reason)

    @cached_property
    def spec(self) -> ShardSpec:
        """What the job is told."""
        return read_spec(self.files, self.shard)


def job_for(run_dir: str, shard: str) -> Job:
    """The submission to make or to adopt for a shard of a planned run.

    :param run_dir: the run directory; its ``plan.json`` names cluster, installation and limits.
    """
    files = LocalFiles(run_dir)
    plan = Plan.from_json(files.read(layout.PLAN))
    # The plan's own path is the run's name: one folder reached by two paths is one run.
    attempt = attempts.current(files, plan.instance, plan.run_dir, shard)
    stage = plan.stage_of(shard)
    planned = next((one for one in plan.all_shards if one.id == shard), None)
    return Job(
        cluster=engine_cluster(stage.cluster, read_spec(files, shard)),
        run_dir=run_dir,
        shard=shard,
        token=attempt.token,
        epoch=attempt.epoch,
        group=attempts.group(plan.instance, plan.run_dir),
        max_running=stage.max_num_workers,
        limits=asdict(plan.limits) if plan.limits else {},
        gpus=planned.num_gpus if planned else 0,
        expected=planned.seconds if planned else 0.0,
    )


def engine_cluster(values: dict[str, Any], spec: ShardSpec) -> dict[str, Any]:
    """The values of a stage's cluster config as the shard's engine needs it."""
    if spec.engine != OPENCOMPASS:
        return values
    return ClusterConfig.from_values(str(values["name"]), values).for_engine(spec.engine).to_values()


def shard_is_done(run_dir: str, shard: str) -> bool:
    """Whether the shard's outputs are all there and answer its spec, whoever wrote them."""
    files = LocalFiles(run_dir)
    return not evidence.shard_problem(files, read_spec(files, shard))


def log_path(run_dir: str, shard: str) -> Path:
    """Where the shard's jobs write; one attempt after the other."""
    files = LocalFiles(run_dir)
    return files.path(_log(read_spec(files, shard)))


def log_tail(run_dir: str, shard: str, lines: int = _TAIL_LINES) -> str:
    """The last lines of the shard's log, read from the file's end only; "" when there is none."""
    try:
        with log_path(run_dir, shard).open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _TAIL_BYTES))
            content = stream.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(content.splitlines()[-lines:])


def read_spec(files: LocalFiles, shard: str) -> ShardSpec:
    """What the shard's job is told."""
    return ShardSpec.from_json(files.read(layout.shard_spec(shard)))


def build_request(job: Job, spec: ShardSpec | None = None) -> JobRequest:
    """What the cluster is asked to start: ``python -m inference KIND SPEC --run-dir ... --token ... --epoch ...``.

    All paths are as the cluster sees them. The job's id is known only once it runs, so it is no argument: every
    backend sets ``OPENCOMPASS_OPS_JOB_ID`` in the job's environment.

    :param spec: what the job is told, None to read it from the run directory.
    """
    config, spec = job.config, spec or job.spec
    run_dir = config.on_cluster(job.run_dir)
    resources = _resources(config, spec)
    changes = adapt(attempts.before(job.files, job.token))
    argv = (
        *(config.interpreter, "-m", "inference", spec.kind, f"{run_dir}/{layout.shard_spec(spec.id)}"),
        *("--run-dir", run_dir, "--token", job.token, "--epoch", str(job.epoch)),
    )
    return JobRequest(
        token=job.token,
        group=job.group,
        max_running=min(job.max_running, config.limits.max_num_workers or job.max_running),
        argv=argv,
        run_dir=run_dir,
        log_path=_log(spec),
        job_dir=layout.job(job.token),
        env={
            **config.variables,
            "OPENCOMPASS_OPS_EPOCH": str(job.epoch),
            "PYTHONUNBUFFERED": "1",  # so that the log of a killed job ends where the job did
            **({variables.BATCH_SCALE: str(changes.batch_scale)} if changes.batch_scale < 1 else {}),
        },
        num_gpus=resources.num_gpus or 0,
        num_procs=_processes(spec),
        minutes=min((limit for limit in (config.limits.minutes, resources.minutes) if limit), default=None),
        title=spec.label,
        resources=resources,
        exclude=changes.exclude,
        memory_factor=changes.memory_factor,
        has_secrets=RUN_CODE not in spec.options,
    )


def _resources(config: ClusterConfig, spec: ShardSpec) -> Resources:
    """The cluster's with the model's over them; an evaluation needs one plain process, and devices for a judge only."""
    if spec.kind != INFER:
        return replace(config.resources, num_gpus=spec.options.get("num_gpus") or None, launcher="")
    run_cfg = {name: value for name, value in _run_cfg(spec).items() if name != "num_procs"}
    where = f"model {spec.model_abbr}: run_cfg"
    return config.resources.merged(Resources.from_values(where, run_cfg), where)


def _processes(spec: ShardSpec) -> int:
    return int(_run_cfg(spec).get("num_procs", 1)) if spec.kind == INFER else 1


def _run_cfg(spec: ShardSpec) -> dict[str, Any]:
    return dict(spec.model.get("run_cfg") or {})


def _log(spec: ShardSpec) -> str:
    return layout.log(spec.kind, spec.model_abbr, spec.parts[0].name)
