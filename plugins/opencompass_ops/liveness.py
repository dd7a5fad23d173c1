"""Whether anything still runs in a run directory."""

from __future__ import annotations

from pathlib import Path

from opencompass_ops.clusters import attempts
from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.registry import open_cluster
from opencompass_ops.clusters.shell import run_to_end
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.errors import PlanError


def read_plan(run_dir: Path) -> Plan:
    """The plan of a run directory.

    :raises PlanError: there is none, or it cannot be read.
    """
    try:
        return Plan.from_json(LocalFiles(run_dir).read(layout.PLAN))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise PlanError(f"{run_dir} is no run directory: it has no {layout.PLAN}; name the folder of a run") from error
    except codec.SchemaError as error:
        raise PlanError(f"{run_dir}: {error}") from error


def live_jobs(run_dir: Path) -> tuple[str, ...]:
    """Tokens of the run's jobs that are queued or running, as their cluster says; not for use in an event loop.

    :raises PlanError: the run has jobs, but its plan cannot be read.
    :raises UnsureError: the cluster does not answer.
    """
    tokens = attempts.unconcluded(LocalFiles(run_dir))
    if not tokens:
        return ()
    plan = read_plan(run_dir)
    found: dict[str, JobStatus] = {}
    for kind in plan.stages:
        cluster = plan.stage(kind).cluster
        config = ClusterConfig.from_values(str(cluster["name"]), cluster)
        own = [token for token in tokens if attempts.shard_of(token).startswith(kind)]
        found |= run_to_end(open_cluster(config).poll(own)) if own else {}
    return tuple(token for token in found if found[token].state in (JobState.QUEUED, JobState.RUNNING))
