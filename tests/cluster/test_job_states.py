"""Every way in which a job can end, for real."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cluster.daemons import wait_until
from cluster.programs import slurmd
from cluster.test_testbed import SECONDS, state, submit, wait_for
from cluster.testbed import Testbed

pytestmark = pytest.mark.slurm


def exit_code(bed: Testbed, job: str) -> str:
    """Both halves, ``code:signal``."""
    shown = bed.run("scontrol", "show", "job", "--oneliner", job)
    return next(word.partition("=")[2] for word in shown.split() if word.startswith("ExitCode="))


@pytest.mark.parametrize(
    ("script", "ended", "code"),
    [
        ("true", "COMPLETED", "0:0"),
        ("exit 7", "FAILED", "7:0"),
        ("kill -9 $$", "FAILED", "0:9"),
        ("no-such-command", "FAILED", "127:0"),
    ],
)
def test_the_exit_code_tells_how_a_script_ended(testbed: Testbed, script: str, ended: str, code: str) -> None:
    job = submit(testbed, script)
    wait_for(testbed, job, ended)
    assert exit_code(testbed, job) == code


def test_an_unwritable_log_fails_without_a_word(testbed: Testbed) -> None:
    job = submit(testbed, "true", "--output=/proc/no/log")
    wait_for(testbed, job, "FAILED")
    assert exit_code(testbed, job) == "0:53"


def test_a_cancelled_job(testbed: Testbed) -> None:
    job = submit(testbed, "sleep 600")
    wait_for(testbed, job, "RUNNING")
    testbed.ssh("scancel", job)
    wait_for(testbed, job, "CANCELLED")


def test_a_job_that_needs_more_memory_than_it_asked_for(testbed: Testbed) -> None:
    if not testbed.bed.cgroups:
        pytest.skip("no writable cgroups of version 1 on this host; without them the job is FAILED 0:9")
    job = submit(testbed, f"{testbed.python} -c 'x = bytearray(200 * 1024 * 1024)'", "--mem=50M")
    wait_for(testbed, job, "OUT_OF_MEMORY")


def test_a_job_makes_room_for_another_one(testbed: Testbed) -> None:
    node = f"--nodelist={testbed.bed.nodes[1]}"
    victim = submit(testbed, "sleep 600", "--partition=scav", "--exclusive", node)
    waiting = submit(testbed, "sleep 600", "--partition=requeue", "--exclusive", f"--nodelist={testbed.bed.nodes[2]}")
    for job in (victim, waiting):
        wait_for(testbed, job, "RUNNING")
    for number in (1, 2):
        submit(testbed, "true", "--exclusive", f"--nodelist={testbed.bed.nodes[number]}")
    wait_for(testbed, victim, "PREEMPTED")
    wait_until("it waits for a node again", lambda: state(testbed, waiting) == "PENDING", SECONDS)
    testbed.run("scancel", waiting)


def test_a_node_that_is_taken_down_fails_its_job(testbed: Testbed) -> None:
    node = testbed.bed.nodes[3]
    job = submit(testbed, "sleep 600", f"--nodelist={node}", "--no-requeue")
    wait_for(testbed, job, "RUNNING")
    testbed.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
    wait_for(testbed, job, "NODE_FAIL")
    testbed.run("scontrol", "update", f"nodename={node}", "state=idle")
    wait_until("the node is back", lambda: node_state(testbed, node) == "idle", SECONDS)


def node_state(bed: Testbed, node: str) -> str:
    return bed.run("sinfo", "--noheader", "--partition=gpu", f"--nodes={node}", "--format=%T").strip()


@pytest.mark.soak
def test_a_node_that_dies_fails_its_job(make_testbed: Callable[..., Testbed]) -> None:
    bed = make_testbed(accounting="none", slurmd_timeout=5)
    node = bed.bed.nodes[0]
    job = submit(bed, "sleep 600", f"--nodelist={node}", "--no-requeue")
    wait_for(bed, job, "RUNNING")
    bed.kill_node(node)
    wait_for(bed, job, "NODE_FAIL")
    bed.start(slurmd(node))
    wait_until("the node is back", bed.is_idle, SECONDS)


@pytest.mark.soak
def test_a_job_meets_its_time_limit(testbed: Testbed) -> None:
    job = submit(testbed, "sleep 600", "--time=5")
    wait_for(testbed, job, "RUNNING")
    testbed.run("scontrol", "update", f"jobid={job}", "EndTime=now+2")
    wait_for(testbed, job, "TIMEOUT")


@pytest.mark.soak
def test_a_job_that_could_not_start_in_time(testbed: Testbed) -> None:
    job = submit(testbed, "sleep 600", "--begin=now+3", "--deadline=now+5seconds", "--time=1")
    wait_for(testbed, job, "DEADLINE")
