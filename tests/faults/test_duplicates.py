"""What may happen twice at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from faults.template import SHARDS
from faults.world import Run, World, until
from opencompass_ops.clusters.slurm.rows import Row
from opencompass_ops.contract import layout

pytestmark = pytest.mark.slurm

DRIVER = """
import json, sys
from pathlib import Path
from opencompass_ops.clusters.shell import run_to_end
from opencompass_ops.runner import run_plan
print(json.dumps(run_to_end(run_plan(Path(sys.argv[1]), say=lambda line: None))))
"""


@pytest.mark.fault(
    "two runs of two instances, driven by two processes, share account, state folder and connection",
    "each keeps to its own max_num_workers; not one scancel",
)
async def test_two_instances_use_one_account(world: World) -> None:
    gate = world.hold()
    one, two = (world.run(name, instance=name, max_num_workers=1) for name in ("one", "two"))
    kills = world.bed.slurmctld_log.read_text().count("REQUEST_KILL_JOB")
    with other_driver(two) as other:
        async with one.driven():
            await one.running(1)
            await two.running(1)
            assert [len(run.rows()) for run in (one, two)] == [1, 1]
            gate.unlink()
            await until(lambda: other.poll() is not None, "end of the other driver")
        assert json.loads(other.communicate()[0]) == {}
    await two.assert_exactly_once()
    assert world.bed.slurmctld_log.read_text().count("REQUEST_KILL_JOB") == kills


@pytest.mark.fault(
    "two processes drive one run at the same time, as two triggerers do while triggers move",
    "one job per shard; whoever comes second adopts it",
)
async def test_two_drivers_submit_the_same_shards(world: World) -> None:
    gate = world.gate("sbatch")
    run = world.run()
    before = world.bed.connections
    with other_driver(run) as other:
        async with run.driven():
            await gate.reached()
            await until(lambda: world.bed.connections == before + 2, "both drivers")
            gate.open()
            await until(lambda: other.poll() is not None, "end of the other driver")
        assert json.loads(other.communicate()[0]) == {}
    assert len(run.rows()) == len(gate.calls) == SHARDS + 1


@pytest.mark.fault(
    "sbatch by hand of a running job's script, under its name, first at once and then `--begin` in an hour",
    "the first finds the claim taken and does nothing; the second is cancelled as surplus, and nothing else",
)
async def test_two_jobs_have_one_token(world: World) -> None:
    gate = world.hold(after=1)
    run = world.run()
    async with run.driver():
        first, *_ = await run.running(SHARDS, answered=1)
    late = submit_again(run, first)
    await until(lambda: state(run, late) == "FAILED", "end of the surplus job")
    surplus = submit_again(run, first, "--begin=now+1hour")
    async with run.driven():
        await until(lambda: state(run, surplus) == "CANCELLED", "end of the other surplus job")
        assert state(run, first.job_id) == "RUNNING"
        gate.unlink()
    assert f"job {first.job_id} holds the token, this one leaves" in (run.folder / "again.out").read_text()


@contextmanager
def other_driver(run: Run) -> Iterator[subprocess.Popen[str]]:
    """Another process that drives a run."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    argv = [sys.executable, "-c", DRIVER, str(run.folder)]
    with subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def submit_again(run: Run, job: Row, *options: str) -> str:
    """What a person might do; the new job's id."""
    where = f"--output={run.folder}/again.out"
    script = run.folder / layout.job(job.token, "slurm.sh")
    return run.bed.ssh("sbatch", "--parsable", f"--job-name={job.name}", where, *options, str(script)).strip()


def state(run: Run, job_id: str) -> str:
    return next(row.state for row in run.rows() if row.job_id == job_id)
