"""GPU-hours of real jobs on a real Slurm, beside what Slurm itself accounts for."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from backends import slurm, with_config

from cluster.daemons import wait_until
from cluster.testbed import Testbed
from opencompass_ops import drive, jobs
from opencompass_ops.budgets import meter
from opencompass_ops.clusters.base import JobState
from opencompass_ops.clusters.resources import Resources
from opencompass_ops.contract.plan import PlannedLimits
from opencompass_ops.results.store import Store
from stand_in import write_interpreter, write_run

pytestmark = pytest.mark.slurm

GPUS = 2


async def test_the_gpu_hours_of_a_job_are_those_that_slurm_accounts_for_until_its_limit_stops_it(
    request, tmp_path: Path, testbed: Testbed, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(meter.TICK, "0.5")
    bench = slurm(request, tmp_path)
    python = write_interpreter(tmp_path / "python")
    config = with_config(bench, python=str(python), poll_interval=0.5, resources=Resources(num_gpus=GPUS)).config
    run_dir = write_run(config, bench.run_dir, "time.sleep(600)")
    limits = asdict(PlannedLimits(user="alice", series="run7", gpu_seconds=GPUS * 6.0))
    job = replace(jobs.job_for(run_dir, "infer-0000"), gpus=GPUS, limits=limits)
    url = f"sqlite:///{tmp_path / 'results.db'}"
    outcome = await asyncio.wait_for(drive.run_job(job, database_url=url), 120)
    assert (outcome.state, outcome.error_type, outcome.retryable) == (JobState.CANCELLED, "LimitReached", False)
    assert outcome.reason == "stopped by a limit: 0.00333333 GPU-hours of the run"

    def accounted() -> list[str]:
        form = ("--format=State,ElapsedRaw,AllocTRES%100", "--noheader", "--parsable2", "--allocations")
        return testbed.run("sacct", f"--jobs={outcome.job_id}", *form).strip().split("|")

    wait_until("Slurm has accounted for the job", lambda: accounted()[0].startswith("CANCELLED"), 30)
    _, seconds, resources = accounted()
    assert f"gres/gpu={GPUS}" in resources.split(",")
    with Store.open(url) as store:
        booked = store.gpu_seconds(owner="alice", series="run7")
    assert booked >= GPUS * 6.0
    assert booked == pytest.approx(GPUS * int(seconds), abs=GPUS * 4.0)
