"""Whatever people do in Airflow to stop a task, its job leaves the cluster; and nothing else does."""

from __future__ import annotations

import pytest
from live_world import until
from slurm_world import LIGHT, SlurmWorld

from faults.evidence import Evidence

pytestmark = [pytest.mark.live, pytest.mark.slurm]

GENERATED = 20


def held(world: SlurmWorld, name: str, shards: int) -> tuple[str, Evidence]:
    """A run of which so many jobs are running, and wait at a gate."""
    config = world.config(name, rows=2 * shards)
    world.hold()
    run = world.start(config, cluster=LIGHT, max_num_workers=shards, max_partition_size=2 * GENERATED, retry=0)
    evidence = world.evidence(run)
    world.running(evidence, shards)
    return run, evidence


@pytest.mark.fault("a run with running jobs is marked failed", "no job of it is left")
def test_a_run_marked_failed_leaves_no_job(slurm_world: SlurmWorld):
    run, evidence = held(slurm_world, "marked-run", 3)
    slurm_world.mark_run(run, "failed")
    until(lambda: not evidence.live, "the end of every job", 60)
    for shard in evidence.plan.shards:
        (verdict,) = until(lambda: evidence.verdicts(shard.id), f"the verdict of {shard.id}")  # noqa: B023
        assert verdict == "cancelled JobCancelled: cancelled in Airflow while try 1 waited for it"


@pytest.mark.fault("one task is marked failed while its job runs", "its job is cancelled, the others run on")
def test_a_task_marked_failed_takes_its_job_alone(slurm_world: SlurmWorld):
    world = slurm_world
    run, evidence = held(world, "marked-task", 3)
    before = evidence.live
    world.mark_task(run, world.infer, 1, "failed")
    shard = evidence.plan.shards[1].id
    until(lambda: evidence.verdicts(shard), "the verdict of the marked shard", 60)
    assert len(evidence.live) == 2
    assert set(evidence.live) < set(before)
    for gate in world.gates.iterdir():
        gate.unlink()
    assert world.wait(run) == "failed"
    until(lambda: not evidence.live, "the end of every job", 60)
    codes = [evidence.exit_record(evidence.tokens(each.id)[0]).get("returncode") for each in evidence.plan.shards]
    assert codes[0] == codes[2] == 0
    assert codes[1] != 0


@pytest.mark.fault("a task is cleared while its job runs", "the job is cancelled, a new one does the work; green")
def test_a_task_cleared_while_its_job_runs_is_done_by_a_new_job(slurm_world: SlurmWorld):
    world = slurm_world
    run, evidence = held(world, "cleared-task", 2)
    shard = evidence.plan.shards[0].id
    world.clear(run, world.infer, 0)
    until(lambda: len(evidence.tokens(shard)) == 2, "a second submission", 120)
    for gate in world.gates.iterdir():
        gate.unlink()
    world.assert_green(run)
    evidence.assert_each_shard_ended_well_once()
    evidence.assert_each_row_was_answered_once()
    until(lambda: not evidence.live, "the end of every job", 60)
