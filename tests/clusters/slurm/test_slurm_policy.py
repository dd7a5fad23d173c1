"""What a shard's next try is after each real end of a job on a real Slurm."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from backends import slurm, with_config

from cluster.testbed import Testbed
from opencompass_ops import drive, jobs
from opencompass_ops.clusters.attempts import Outcome
from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.clusters.resources import Resources
from opencompass_ops.errors import JobError
from stand_in import write_interpreter, write_run

pytestmark = pytest.mark.slurm

SHARD = "infer-0000"
SECONDS = 60

Run = Callable[..., Awaitable[Outcome]]


@pytest.fixture
def plan(request, tmp_path: Path) -> Callable[..., str]:
    """A run of one shard on the testbed."""
    bench = slurm(request, tmp_path)
    python = write_interpreter(tmp_path / "python")

    def make(script: str, **resources) -> str:
        changed = with_config(bench, python=str(python), poll_interval=0.5, resources=Resources(**resources))
        return write_run(changed.config, bench.run_dir, script)

    return make


async def try_once(run_dir: str, when_running: Callable[[JobStatus], None] = lambda _status: None) -> Outcome:
    """One try; ``when_running`` is called once, as soon as the job has said how far it is."""
    called = []

    def seen(status: JobStatus) -> None:
        if status.state is JobState.RUNNING and status.progress and not called:
            called.append(status)
            when_running(status)

    return await asyncio.wait_for(drive.run_job(jobs.job_for(run_dir, SHARD), seen), SECONDS)


def error_of(outcome: Outcome, run_dir: str) -> JobError:
    return drive.error_of(outcome, run_dir, SHARD)


BEAT_AND_WAIT = "beat({done}); time.sleep(600)"
ONCE = "beat(int(arguments['--epoch'])); time.sleep(600) if arguments['--epoch'] == '1' else answer()"


async def test_a_failed_node_is_avoided_by_the_next_try(plan, testbed: Testbed):
    run_dir = plan(ONCE)
    nodes = []

    def take_down(status: JobStatus) -> None:
        nodes.append(status.node)
        testbed.run("scontrol", "update", f"nodename={status.node}", "state=down", "reason=test")

    try:
        outcome = await try_once(run_dir, take_down)
        assert (outcome.state, outcome.error_type, outcome.node) == (
            JobState.NODE_FAIL,
            "InfrastructureError",
            nodes[0],
        )
    finally:
        testbed.run("scontrol", "update", f"nodename={nodes[0]}", "state=idle")
    assert jobs.build_request(jobs.job_for(run_dir, SHARD)).exclude == (nodes[0],)
    again = await try_once(run_dir)
    assert again.ok
    assert again.node != nodes[0]


async def test_a_time_limit_is_gone_on_from_and_without_progress_given_up(plan, testbed: Testbed):
    run_dir = plan(BEAT_AND_WAIT.format(done=3))

    def end_soon(status: JobStatus) -> None:
        testbed.run("scontrol", "update", f"jobid={status.job_id}", "EndTime=now+1")

    first, second = [await try_once(run_dir, end_soon) for _ in range(2)]
    assert (first.state, first.error_type, first.done) == (JobState.TIMEOUT, "JobInterrupted", 3)
    assert (second.state, second.error_type, second.retryable) == (JobState.TIMEOUT, "JobRefused", False)
    assert "without one new item (3 are done)" in str(error_of(second, run_dir))


async def test_a_preempted_job_goes_on(plan, testbed: Testbed):
    run_dir = plan(ONCE, partition="scav")

    def preempt(status: JobStatus) -> None:
        testbed.run("sbatch", "--exclusive", f"--nodelist={status.node}", "--output=/dev/null", "--wrap", "sleep 1")

    outcome = await try_once(run_dir, preempt)
    assert (outcome.state, outcome.error_type) == (JobState.PREEMPTED, "JobInterrupted")
    assert (await try_once(run_dir)).ok


async def test_too_little_host_memory_is_doubled_until_it_is_enough(plan, testbed: Testbed):
    if not testbed.bed.cgroups:
        pytest.skip("no writable cgroups of version 1 on this host; without them nothing enforces memory")
    run_dir = plan("x = bytearray(150 * 1024 * 1024); answer()", mem="100M")
    first = await try_once(run_dir)
    assert (first.state, first.error_type, first.cause) == (JobState.OUT_OF_MEMORY, "OutOfMemory", "host")
    assert (await try_once(run_dir)).ok


async def test_a_request_that_can_never_start_is_refused_in_seconds_and_leaves_the_queue(plan, testbed: Testbed):
    run_dir = plan("answer()", cpus_per_task=1000)
    outcome = await try_once(run_dir)
    assert (outcome.error_type, outcome.retryable) == ("JobRefused", False)
    assert outcome.reason
    token = jobs.job_for(run_dir, SHARD).token
    assert token.rpartition("-")[0] not in testbed.run("squeue", "--noheader", "--format=%j")


async def test_a_job_that_somebody_else_cancels_is_not_tried_again(plan, testbed: Testbed):
    run_dir = plan(BEAT_AND_WAIT.format(done=3))
    outcome = await try_once(run_dir, lambda status: testbed.run("scancel", status.job_id))
    assert (outcome.state, outcome.error_type, outcome.retryable) == (JobState.CANCELLED, "JobCancelled", False)


async def test_a_killed_process_is_the_clusters_fault_and_a_failing_one_is_not(plan):
    run_dir = plan("os.kill(os.getpid(), 9) if arguments['--epoch'] == '1' else sys.exit(3)")
    killed, failed = [await try_once(run_dir) for _ in range(2)]
    assert (killed.error_type, failed.error_type) == ("InfrastructureError", "JobFailed")
    assert "killed by signal 9 (SIGKILL)" in killed.reason
    assert "ended with code 3" in failed.reason
