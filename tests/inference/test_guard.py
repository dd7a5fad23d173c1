"""A job in a container ends with the batch script that holds the other end of its stdin."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from opencompass_ops.contract import variables

JOB = """
import signal, sys
from inference.guard import guard_stdin

guard_stdin()
print("ready", flush=True)
signal.pause()
"""


def start(repo, **more):
    environ = {**os.environ, "PYTHONPATH": f"{repo / 'plugins'}:{repo}", **more}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    job = subprocess.Popen([sys.executable, "-S", "-c", JOB], env=environ, text=True, **pipes)
    assert job.stdout.readline() == "ready\n"
    return job


def test_a_job_ends_when_its_keeper_is_gone(repo):
    job = start(repo, **{variables.GUARD: "1"})
    said, _ = job.communicate(timeout=20)  # closes the keeper's end
    assert "whoever started this job is gone" in said
    assert job.returncode == -15


def test_a_job_ends_too_when_nobody_reads_what_it_prints(repo):
    job = start(repo, **{variables.GUARD: "1"})
    job.stdout.close()
    job.stdin.close()
    assert job.wait(20) == -15


def test_a_job_that_is_not_told_to_does_not_care(repo):
    job = start(repo)
    job.stdin.close()
    job.stdin = None
    with pytest.raises(subprocess.TimeoutExpired):
        job.wait(0.2)
    job.kill()
    job.communicate()
