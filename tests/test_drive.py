"""The coroutine that sees a shard through, on real processes with a stand-in for ``python -m inference``."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from opencompass_ops import drive, jobs
from opencompass_ops.clusters import attempts
from opencompass_ops.clusters.attempts import Outcome
from opencompass_ops.clusters.base import JobState
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.errors import InfrastructureError, JobCancelled, JobFailed, JobRefused, MissingParts
from opencompass_ops.jobs import Job
from stand_in import write_interpreter, write_run

pytestmark = pytest.mark.process


@pytest.fixture
def plan_run(tmp_path, monkeypatch):
    """A run directory with a plan and one shard per script that the stand-in executes."""
    monkeypatch.setenv("OPENCOMPASS_OPS_KILL_GRACE", "0.5")
    interpreter = write_interpreter(tmp_path / "python")
    values = {"python": str(interpreter), "state_dir": str(tmp_path / "state"), "poll_interval": 0.1}
    return partial(write_run, ClusterConfig.from_values("test", values), tmp_path / "run")


def starts(job: Job) -> int:
    try:
        return len(job.files.read(layout.starts(job.token)).splitlines())
    except FileNotFoundError:
        return 0


async def until(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.02)


async def test_a_good_shard_ends_with_evidence_and_a_history(plan_run):
    run_dir = plan_run("answer()")
    job = Job.from_values(json.loads(json.dumps(jobs.job_for(run_dir, "infer-0000").to_values())))
    assert not jobs.shard_is_done(run_dir, "infer-0000")
    seen = []
    outcome = await drive.run_job(job, on_status=lambda status: seen.append(status.state))
    assert outcome.ok
    assert outcome.job_id
    assert jobs.shard_is_done(run_dir, "infer-0000")
    assert seen[-1] is JobState.SUCCEEDED
    lines = [json.loads(line) for line in job.files.read(layout.history(job.token)).splitlines()]
    assert lines[-1]["verdict"] == outcome.to_values()
    assert Outcome.from_values(json.loads(json.dumps(outcome.to_values()))) == outcome
    assert "héllo from infer-0000" in jobs.log_tail(run_dir, "infer-0000")


async def test_a_concluded_submission_is_not_run_again(plan_run):
    run_dir = plan_run("answer()")
    job = jobs.job_for(run_dir, "infer-0000")
    first = await drive.run_job(job)
    assert await drive.run_job(job) == first
    assert jobs.job_for(run_dir, "infer-0000").token == job.token
    assert starts(job) == 1


@pytest.mark.parametrize(
    ("script", "kind", "words"),
    [
        ("leave(1, error='no such column', error_type='InputError', retryable=False)", JobRefused, "no such column"),
        ("leave(1, error='CUDA error', error_type='RuntimeError')", JobFailed, "CUDA error"),
        ("leave(1, error='part 3 is missing', error_type='MissingParts')", MissingParts, "part 3 is missing"),
        ("os.kill(os.getpid(), signal.SIGKILL)", InfrastructureError, "killed by signal 9"),
        ("sys.exit(7)", JobFailed, "ended with code 7"),
        ("sys.exit(0)", JobFailed, "wrote no exit record"),
        ("leave(0)", JobFailed, "predictions/tiny/data0.json is missing"),
    ],
)
async def test_what_was_no_success_becomes_the_error_that_says_the_policy(plan_run, script, kind, words):
    run_dir = plan_run(f"print('last words'); {script}")
    outcome = await drive.run_job(jobs.job_for(run_dir, "infer-0000"))
    error = drive.error_of(outcome, run_dir, "infer-0000")
    assert not outcome.ok
    assert type(error) is kind
    assert words in str(error).splitlines()[0]
    assert "tiny/data0" in str(error)
    assert "last words" in str(error)


async def test_after_a_failure_a_new_epoch_runs_and_knows_the_old_one(plan_run):
    run_dir = plan_run("answer() if arguments['--epoch'] == '2' else leave(1, error='first')")
    first = jobs.job_for(run_dir, "infer-0000")
    assert not (await drive.run_job(first)).ok
    second = jobs.job_for(run_dir, "infer-0000")
    assert (first.epoch, second.epoch) == (1, 2)
    assert (await drive.run_job(second)).ok
    assert [outcome.reason for outcome in attempts.before(second.files, second.token)] == ["first"]


async def test_an_error_names_how_earlier_submissions_ended(plan_run):
    run_dir = plan_run("os.kill(os.getpid(), 9) if arguments['--epoch'] == '1' else leave(1, error='again')")
    for _ in range(2):
        outcome = await drive.run_job(jobs.job_for(run_dir, "infer-0000"))
    assert drive.error_of(outcome, run_dir, "infer-0000").earlier == ("InfrastructureError",)


async def test_damaged_predictions_of_a_success_start_a_new_epoch(plan_run):
    run_dir = plan_run("answer()")
    job = jobs.job_for(run_dir, "infer-0000")
    await drive.run_job(job)
    Path(run_dir, layout.prediction("tiny", "data0")).write_text("{")
    assert not jobs.shard_is_done(run_dir, "infer-0000")
    assert jobs.job_for(run_dir, "infer-0000").epoch == 2


DRIVER = """
import asyncio, sys
from opencompass_ops import drive, jobs


async def main():
    await asyncio.gather(*(drive.run_job(jobs.job_for(sys.argv[1], shard)) for shard in sys.argv[2:]))


asyncio.run(main())
"""


async def test_many_shards_start_once_each_and_never_exceed_the_limit_though_their_driver_is_killed(plan_run):
    run_dir = plan_run(*["time.sleep(0.4); answer()"] * 9, max_num_workers=3)
    shards = [f"infer-{number:04}" for number in range(9)]
    planned = [jobs.job_for(run_dir, shard) for shard in shards]
    path = os.pathsep.join(path for path in sys.path if path)
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, run_dir, *shards], env={**os.environ, "PYTHONPATH": path})
    await until(lambda: sum(starts(job) for job in planned) >= 4)
    driver.kill()
    driver.wait()
    # Twice, as when a trigger has moved to a second triggerer and the first has not noticed.
    outcomes = await asyncio.gather(*(drive.run_job(job) for job in planned), *(drive.run_job(job) for job in planned))
    assert all(outcome.ok for outcome in outcomes)
    assert [starts(job) for job in planned] == [1] * 9
    began = [float(job.files.read(layout.starts(job.token)).split()[1]) for job in planned]
    ended = [float(job.files.read(layout.job(job.token, "ends"))) for job in planned]
    assert (
        max(sum(b <= moment < e for b, e in zip(began, ended, strict=True)) for moment in began) <= 3
    )  # fewer on a busy machine


async def test_cancelling_the_coroutine_leaves_the_job_to_the_next_one(plan_run, tmp_path):
    flag = tmp_path / "go"
    run_dir = plan_run(f"while not Path({str(flag)!r}).exists(): time.sleep(0.02)\nanswer()")
    job = jobs.job_for(run_dir, "infer-0000")
    task = asyncio.create_task(drive.run_job(job))
    await until(lambda: starts(job))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    again = asyncio.create_task(drive.run_job(jobs.job_for(run_dir, "infer-0000")))
    flag.touch()
    assert (await again).ok
    assert starts(job) == 1


async def test_cancel_stops_the_job_and_says_who_wanted_it(plan_run):
    run_dir = plan_run("time.sleep(60)")
    job = jobs.job_for(run_dir, "infer-0000")
    task = asyncio.create_task(drive.run_job(job))
    await until(lambda: starts(job))
    await drive.cancel_job(job, reason="marked failed by Ann")
    outcome = await task
    assert (outcome.state, outcome.reason) == (JobState.CANCELLED, "marked failed by Ann")
    assert type(drive.error_of(outcome, run_dir, "infer-0000")) is JobCancelled
    assert jobs.job_for(run_dir, "infer-0000").epoch == 2


async def test_a_shard_cancelled_while_it_waits_for_a_slot_never_starts(plan_run):
    run_dir = plan_run("time.sleep(60)", "answer()", max_num_workers=1)
    first, second = (jobs.job_for(run_dir, f"infer-{number:04}") for number in range(2))
    running = asyncio.create_task(drive.run_job(first))
    await until(lambda: starts(first))
    waiting = asyncio.create_task(drive.run_job(second))
    await until(lambda: second.files.exists(layout.history(second.token)))
    await drive.cancel_job(second, reason="enough")
    assert (await waiting).state is JobState.CANCELLED
    await drive.cancel_job(first, reason="enough")
    await running
    assert starts(second) == 0


async def test_a_shard_that_another_process_concluded_as_failed_while_it_waits_never_starts(plan_run):
    run_dir = plan_run("time.sleep(60)", "answer()", max_num_workers=1)
    first, second = (jobs.job_for(run_dir, f"infer-{number:04}") for number in range(2))
    running = asyncio.create_task(drive.run_job(first))
    await until(lambda: starts(first))
    waiting = asyncio.create_task(drive.run_job(second))
    await until(lambda: second.files.exists(layout.history(second.token)))
    refused = Outcome(second.token, 1, JobState.FAILED, "no such partition", "JobRefused", retryable=False)
    attempts.conclude(second.files, refused)
    await drive.cancel_job(first, reason="enough")
    await running
    assert await waiting == refused
    assert starts(second) == 0


async def test_a_cancel_that_was_asked_but_not_finished_is_finished_by_the_next_coroutine(plan_run):
    run_dir = plan_run("time.sleep(60)")
    job = jobs.job_for(run_dir, "infer-0000")
    task = asyncio.create_task(drive.run_job(job))
    await until(lambda: starts(job))
    task.cancel()
    attempts.ask_cancel(job.files, job.token, "the triggerer died while it cancelled")
    outcome = await drive.run_job(jobs.job_for(run_dir, "infer-0000"))
    assert outcome.state is JobState.CANCELLED
    assert starts(job) == 1


async def test_a_late_cancel_does_not_overturn_a_success(plan_run):
    run_dir = plan_run("answer()")
    job = jobs.job_for(run_dir, "infer-0000")
    await drive.run_job(job)
    await drive.cancel_job(job, reason="too late")
    assert attempts.verdict(job.files, job.token).ok


async def test_a_killed_supervisor_is_the_clusters_fault(plan_run):
    run_dir = plan_run("time.sleep(60)")
    job = jobs.job_for(run_dir, "infer-0000")
    task = asyncio.create_task(drive.run_job(job))
    await until(lambda: starts(job))
    os.kill(int(job.files.read(layout.starts(job.token)).split()[0]), signal.SIGKILL)
    outcome = await task
    assert outcome.state is JobState.LOST
    assert type(drive.error_of(outcome, run_dir, "infer-0000")) is InfrastructureError


async def test_more_gpus_than_the_host_has_are_refused_with_the_numbers(plan_run, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    run_dir = plan_run("answer()")
    files = LocalFiles(run_dir)
    text = files.read(layout.shard_spec("infer-0000")).decode()
    files.write(
        layout.shard_spec("infer-0000"), text.replace('"abbr": "tiny"', '"abbr": "tiny", "run_cfg": {"num_gpus": 2}')
    )
    outcome = await drive.run_job(jobs.job_for(run_dir, "infer-0000"))
    error = drive.error_of(outcome, run_dir, "infer-0000")
    assert type(error) is JobRefused
    assert "needs 2 GPU(s) and this host offers 0" in str(error)


def test_the_log_tail_reads_only_the_end(plan_run):
    run_dir = plan_run("pass")
    path = jobs.log_path(run_dir, "infer-0000")
    path.parent.mkdir(parents=True)
    path.write_text("x" * 200_000 + "\n" + "\n".join(f"line {number}" for number in range(50)))
    assert jobs.log_tail(run_dir, "infer-0000", lines=3) == "line 47\nline 48\nline 49"
