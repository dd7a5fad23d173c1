"""What may happen to Slurm's own daemons and records."""

from __future__ import annotations

import signal
import time
from contextlib import suppress

import pytest

from cluster.fixtures import MakeTestbed
from cluster.testbed import Testbed
from faults.conftest import WorldOn
from faults.template import SHARDS
from faults.world import World, until

pytestmark = pytest.mark.slurm

MINUTE = 60


@pytest.mark.fault("SIGKILL to slurmctld while jobs run; a new one 5 s later", "no state changes while nobody answers")
async def test_the_controller_is_restarted(world: World) -> None:
    gate = world.hold()
    run = world.run()
    async with run.driven():
        jobs = await run.running(SHARDS)
        world.bed.wait_saved()
        world.bed.send("slurmctld", signal.SIGKILL)
        gate.unlink()  # the jobs end while there is nobody to tell
        await until(lambda: all(run.exit_record(row.token) for row in jobs), "jobs that ended")
        world.bed.start("slurmctld")
    assert len(run.rows()) == SHARDS + 1
    assert run.verdicts("infer-0000") == ["succeeded : "]


@pytest.mark.soak
@pytest.mark.fault("SIGKILL to slurmdbd for a minute, in which jobs are submitted, run and end", "nothing waits for it")
async def test_accounting_is_down_for_a_minute(world: World) -> None:
    world.bed.send("slurmdbd", signal.SIGKILL)
    down_since = time.monotonic()
    try:
        run = world.run()
        async with run.driven():
            pass
        with pytest.raises(RuntimeError, match="sacct failed"):
            world.bed.run("sacct")
        gate = world.hold()
        second = world.run("second")
        async with second.driven():
            await second.running(SHARDS)
            await until(lambda: time.monotonic() - down_since > MINUTE, "end of the minute")
            gate.unlink()
    finally:
        world.bed.start("slurmdbd")


@pytest.mark.soak
@pytest.mark.fault(
    "accounting_storage/none and MinJobAge 2: jobs end and are forgotten before anybody looks",
    "the batch script's own record and the exit record are believed",
)
async def test_slurm_remembers_nothing(make_testbed: MakeTestbed, world_on: WorldOn) -> None:
    world = world_on(make_testbed(accounting="none", min_job_age=2))
    gate = world.hold()
    run = world.run()
    async with run.driver():
        jobs = await run.running(SHARDS)
    gate.unlink()
    await until(lambda: not run.rows(), "empty memory of the controller")
    assert all(outcome.ok for outcome in await run.concluded())
    async with run.driven():
        pass
    assert [run.starts(row.token) for row in jobs] == [[(row.job_id, 0)] for row in jobs]


@pytest.mark.soak
@pytest.mark.fault(
    "FirstJobId 100 and MaxJobId 104: other jobs get the ids of ours, and fail, before anybody looks",
    "a row counts only with id and name; the other jobs are left alone",
)
async def test_job_ids_are_given_out_again(make_testbed: MakeTestbed, world_on: WorldOn) -> None:
    extra = ("FirstJobId=100", "MaxJobId=104")
    world = world_on(make_testbed(accounting="none", min_job_age=2, extra=extra))
    gate = world.hold()
    run = world.run()
    async with run.driver():
        jobs = await run.running(SHARDS)
    gate.unlink()
    await until(lambda: not run.rows(), "empty memory of the controller")
    others: set[str] = set()
    while not others >= {row.job_id for row in jobs}:
        others |= {fail(world.bed)}
    assert all(outcome.ok for outcome in await run.concluded())
    async with run.driven():
        pass


def fail(bed: Testbed) -> str:
    """A job of the same account that has nothing to do with us; its id, "" when there is none to give out now."""
    with suppress(RuntimeError):
        return bed.ssh("sbatch", "--parsable", "--output=/dev/null", "--wrap=exit 3").strip()
    return ""
