"""The commands that a plan would run, before there is a run directory to run them in."""

from __future__ import annotations

from opencompass_ops.clusters import attempts
from opencompass_ops.clusters.registry import open_cluster
from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.spec import ShardSpec
from opencompass_ops.errors import JobRefused
from opencompass_ops.jobs import Job, build_request, engine_cluster
from opencompass_ops.planning.plan import PlanOutput


def commands(output: PlanOutput) -> dict[str, str]:
    """Shard id -> the command of its first submission, as one line for a shell, or why it would be refused."""
    return {spec.id: _command(output.plan, spec) for spec in output.specs}


def _command(plan: Plan, spec: ShardSpec) -> str:
    stage = plan.stage(spec.kind)
    job = Job(
        cluster=engine_cluster(stage.cluster, spec),
        run_dir=plan.run_dir,
        shard=spec.id,
        token=attempts.token(plan.instance, plan.run_dir, spec.id, 1),
        epoch=1,
        group=attempts.group(plan.instance, plan.run_dir),
        max_running=stage.max_num_workers,
    )
    try:
        return open_cluster(job.config).preview(build_request(job, spec))
    except JobRefused as error:
        return f"refused: {error}"
