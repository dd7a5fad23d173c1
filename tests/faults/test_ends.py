"""What may end a job before its work is done."""

from __future__ import annotations

import pwd
from contextlib import suppress
from typing import Any

import psutil
import pytest

from cluster.fixtures import MakeTestbed
from cluster.programs import slurmd
from cluster.testbed import Testbed
from faults.conftest import WorldOn
from faults.template import SHARDS
from faults.world import Run, World, until
from opencompass_ops.clusters.slurm.rows import Row

pytestmark = pytest.mark.slurm

GOES_ON = "the next job of each shard goes on after the last answered row"


@pytest.mark.soak
@pytest.mark.fault("SIGKILL to a node's slurmd and all that runs there", f"NODE_FAIL; {GOES_ON}, on another node")
async def test_a_node_dies(make_testbed: MakeTestbed, world_on: WorldOn) -> None:
    world = world_on(make_testbed(accounting="none", slurmd_timeout=5))
    gate = world.hold(after=1)
    run = world.run()
    async with run.driven():
        jobs = await run.running(SHARDS, answered=1)
        (node,) = {row.node for row in jobs}
        world.bed.kill_node(node)
        power_off(world.bed)
        await all_ended(run)
        gate.unlink()
    assert_ended_as(run, jobs, "NODE_FAIL", "node_fail InfrastructureError: ")
    assert node not in {row.node for row in run.rows() if row.state == "COMPLETED"}


@pytest.mark.soak
@pytest.mark.fault(
    "SIGKILL to a node's slurmd, while the jobs there live on until it is back",
    f"NODE_FAIL; {GOES_ON}, on another node; Slurm ends the old one when the node is back",
)
async def test_a_node_is_cut_off(make_testbed: MakeTestbed, world_on: WorldOn) -> None:
    world = world_on(make_testbed(accounting="none", slurmd_timeout=5))
    gate = world.hold(after=1)
    run = world.run()
    async with run.driven():
        jobs = await run.running(SHARDS, answered=1)
        (node,) = {row.node for row in jobs}
        world.bed.kill_node(node)
        await all_ended(run)
        await run.running(2 * SHARDS)
        old = [process for process in work(world.bed) if process.environ().get("SLURM_JOB_ID") in ids(jobs)]
        assert old, "the old jobs did not live on"
        world.bed.start(slurmd(node))
        await until(lambda: not any(process.is_running() for process in old), "end of the old jobs")
        gate.unlink()
    assert_ended_as(run, jobs, "NODE_FAIL", "node_fail InfrastructureError: ")


@pytest.mark.fault("an exclusive job in a higher partition takes the node; PreemptMode CANCEL", f"PREEMPTED; {GOES_ON}")
async def test_jobs_are_preempted_and_cancelled(world: World) -> None:
    gate = world.hold(after=1)
    run = world.run(resources={"partition": "scav"})
    async with run.driven():
        jobs = await run.running(SHARDS, answered=1)
        world.bed.preempt({row.node for row in jobs})
        await all_ended(run)
        gate.unlink()
    assert_ended_as(run, jobs, "PREEMPTED", "preempted JobInterrupted: ")


@pytest.mark.soak
@pytest.mark.fault("the same with PreemptMode REQUEUE, which jobs do not ask for", f"PREEMPTED all the same; {GOES_ON}")
async def test_jobs_are_preempted_in_a_partition_that_requeues(world: World) -> None:
    gate = world.hold(after=1)
    run = world.run(resources={"partition": "requeue"})
    async with run.driven():
        jobs = await run.running(SHARDS, answered=1)
        world.bed.preempt({row.node for row in jobs})
        await all_ended(run)
        gate.unlink()
    assert_ended_as(run, jobs, "PREEMPTED", "preempted JobInterrupted: ")


@pytest.mark.soak
@pytest.mark.fault(
    "the same with `--requeue` in extra_args", "the same job, started again by Slurm, goes on; no new one"
)
async def test_jobs_are_preempted_and_requeued(world: World) -> None:
    gate = world.hold(after=1)
    run = world.run(resources={"partition": "requeue", "extra_args": ["--requeue"]})
    async with run.driven():
        jobs = await run.running(SHARDS, answered=1)
        world.bed.preempt({row.node for row in jobs})
        await until(lambda: {row.state for row in run.rows()} == {"PENDING"}, "requeued jobs")
        gate.unlink()
    assert [run.starts(row.token) for row in jobs] == [[(row.job_id, 0), (row.job_id, 1)] for row in jobs]
    assert len(run.rows()) == SHARDS + 1


@pytest.mark.soak
@pytest.mark.fault("`scontrol update EndTime=now+1` of running jobs", f"TIMEOUT; {GOES_ON}")
async def test_jobs_reach_their_time_limit(world: World) -> None:
    gate = world.hold(after=1)
    run = world.run()
    async with run.driven():
        jobs = await run.running(SHARDS, answered=1)
        for row in jobs:
            world.bed.run("scontrol", "update", f"jobid={row.job_id}", "EndTime=now+1")
        await all_ended(run)
        gate.unlink()
    assert_ended_as(run, jobs, "TIMEOUT", "timeout JobInterrupted: ")


@pytest.mark.soak
@pytest.mark.fault(
    "a time limit of 5 minutes that is moved to two minutes from now",
    f"SIGTERM reaches the work 120 s before its end, it closes its journal and leaves; {GOES_ON}",
)
async def test_jobs_are_warned_before_their_time_limit(world: World) -> None:
    gate = world.hold(after=1)
    run = world.run(limits={"minutes": 5})
    async with run.driven():
        jobs = await run.running(SHARDS, answered=1)
        for row in jobs:
            world.bed.run("scontrol", "update", f"jobid={row.job_id}", "EndTime=now+122")
        await all_ended(run)
        gate.unlink()
    assert {run.exit_record(row.token)["error_type"] for row in jobs} == {"Terminated"}
    assert_ended_as(run, jobs, "FAILED", "failed JobInterrupted: ")


@pytest.mark.fault(
    "root's scancel of one of the jobs",
    "JobCancelled, with who it was, and no try by itself; cleared, the shard goes on after the last answered row",
)
async def test_somebody_else_cancels_a_job(world: World) -> None:
    gate = world.hold(after=1)
    run = world.run()
    async with run.driver() as driver:
        first, *_ = await run.running(SHARDS, answered=1)
        world.bed.run("scancel", first.job_id)
        await until(lambda: run.verdicts(shard_of(first)), "verdict")
        gate.unlink()
        assert set(await driver) == {shard_of(first), run.plan.evaluations[0].id}
    assert run.rows(first.token)[0].state == "CANCELLED"
    root = pwd.getpwnam(world.bed.bed.admin).pw_uid
    assert run.verdicts(shard_of(first)) == [f"cancelled JobCancelled: {first.node}: cancelled by user id {root}"]
    async with run.driven():
        pass


@pytest.mark.fault(
    "the log of one shard is there already and belongs to somebody else",
    "JobRefused in words, not FAILED without a log; once the log is gone, the shard runs",
)
async def test_the_log_cannot_be_written(world: World) -> None:
    run = world.run()
    log = run.folder / "logs/infer/tiny/sums_0.out"
    log.parent.mkdir(parents=True)
    for folder in (log.parent, log.parent.parent, log.parent.parent.parent):
        folder.chmod(0o2775)
    log.touch(0o600)
    async with run.driver() as driver:
        failed = await driver
    assert "writ" in failed[run.plan.shards[0].id], failed
    log.unlink()
    async with run.driven():
        pass


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"resources": {"cpus_per_task": 1000}}, "Requested node configuration is not available"),
        ({"limits": {"minutes": 4000}}, "it can never start: "),
    ],
    ids=["1000 CPUs, refused", "4000 minutes, accepted and pending for ever"],
)
@pytest.mark.fault(
    "more CPUs than any node has; a longer time limit than the partition's",
    "JobRefused within seconds, in words that name the remedy; the queue is empty; with less the shards run",
)
async def test_a_job_can_never_start(world: World, asked: dict[str, Any], words: str) -> None:
    run = world.run(**asked)
    async with run.driver() as driver:
        failed = await driver
    assert set(failed) == {shard.id for shard in (*run.plan.shards, *run.plan.evaluations)}
    for shard in run.plan.shards:
        assert words in failed[shard.id]
        assert "time limit" in failed[shard.id] or "correct the resources" in failed[shard.id]
        assert run.verdicts(shard.id)[0].split(":")[0].endswith("JobRefused")
    for evaluation in run.plan.evaluations:  # nothing was answered, so none is asked of the cluster
        assert not run.verdicts(evaluation.id)
    assert not world.bed.run("squeue", "-h")
    run.configure()
    async with run.driven():
        pass


def shard_of(row: Row) -> str:
    """The shard's id in a job's token."""
    return "-".join(row.token.split("-")[3:-1])


def ids(jobs: list[Row]) -> set[str]:
    return {row.job_id for row in jobs}


async def all_ended(run: Run) -> None:
    """Wait until the first submission of each infer shard is concluded."""
    for shard in run.plan.shards:
        await run.ended(shard.id)


def assert_ended_as(run: Run, jobs: list[Row], state: str, verdict: str) -> None:
    """The first jobs ended in this state of Slurm's, and each was understood; the second ones ended well."""
    assert {run.rows(row.token)[0].state for row in jobs} == {state}
    for shard in run.plan.shards:
        first, second = run.verdicts(shard.id)
        assert first.startswith(verdict), first
        assert second == "succeeded : "


def power_off(bed: Testbed) -> None:
    """Kill all jobs, and before them what Slurm keeps beside each, so that nobody is left to say how they ended."""
    jobs = work(bed)
    keepers = {parent for process in jobs if (parent := process.parent()) and parent.name() == "slurmstepd"}
    for process in (*keepers, *jobs):
        with suppress(psutil.NoSuchProcess):
            process.kill()


def work(bed: Testbed) -> list[psutil.Process]:
    """Processes of jobs."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            environment = process.environ()
            if "SLURM_JOB_ID" in environment and environment.get("SLURM_CONF") == str(bed.bed.slurm_conf):
                found.append(process)
    return found
