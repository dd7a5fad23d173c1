"""What may go wrong while a job is handed over."""

from __future__ import annotations

import signal

import pytest

from faults.world import Run, World, until
from opencompass_ops.clusters.poller import cluster_for
from opencompass_ops.drive import run_job
from opencompass_ops.errors import JobRefused
from opencompass_ops.jobs import build_request

pytestmark = pytest.mark.slurm


@pytest.mark.fault(
    "The nodes lose the feature that jobs ask for, after `--test-only` was satisfied, and get it back",
    "sbatch's refusal leaves a FAILED row under the job's name; the same token is submitted again and runs once",
)
async def test_a_refused_submission_runs_once_when_its_cause_is_gone(world: World) -> None:
    give_feature(world, "late")
    run = world.run(resources={"constraint": "late"})
    first, second, third = run.jobs
    assert (await run_job(first)).ok
    give_feature(world, "")
    with pytest.raises(JobRefused, match="Requested node configuration is not available"):
        await cluster_for(second.config).submit(build_request(second))  # and then its driver dies
    assert (await run_job(third)).error_type == "JobRefused"
    assert [row.state for job in (second, third) for row in run.rows(job.token)] == ["FAILED", "FAILED"]
    give_feature(world, "late")
    async with run.driven():
        pass
    assert [row.state for row in run.rows(second.token)] == ["FAILED", "COMPLETED"]
    assert [job.epoch for job in run.jobs] == [1, 1, 2]


def give_feature(world: World, feature: str) -> None:
    nodes = ",".join(world.bed.bed.nodes)
    world.bed.run(
        "scontrol", "update", f"nodename={nodes}", f"availablefeatures={feature}", f"activefeatures={feature}"
    )


@pytest.mark.fault(
    "SIGSTOP to slurmctld when sbatch is called, SIGCONT when sbatch has given up",
    "the controller took the job all the same: it is found and adopted, sbatch is called once per job",
)
async def test_sbatch_times_out_but_the_job_runs(world: World) -> None:
    gate = world.gate("sbatch")
    run = world.run()
    async with run.driven():
        await gate.reached()
        world.bed.send("slurmctld", signal.SIGSTOP)
        gate.open()
        said = world.place / "state/sbatch.err"
        try:
            await until(lambda: "Socket timed out" in said.read_text(), "timeout of sbatch")
        finally:
            world.bed.send("slurmctld", signal.SIGCONT)
    assert_submitted_once(run, gate.calls)


@pytest.mark.fault(
    "every SSH connection is killed while sbatch runs",
    "sbatch comes to its end, its answer is lost; the next connection finds the job and adopts it",
)
async def test_ssh_is_killed_in_mid_submit(world: World) -> None:
    gate = world.gate("sbatch")
    run = world.run()
    before = world.bed.connections
    async with run.driven():
        await gate.reached()
        assert world.bed.cut_connections() > 0
        gate.open()
    assert world.bed.connections == before + 2
    assert_submitted_once(run, gate.calls)


def assert_submitted_once(run: Run, calls: list[str]) -> None:
    """sbatch was called once for each job, and the controller took one."""
    for token in run.tokens():
        assert sum(f".{token} " in call for call in calls) == 1
        assert len(run.rows(token)) == 1
