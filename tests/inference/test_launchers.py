"""Workers are started, numbered and stopped by torchrun, or by srun within a Slurm job."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from inference import launchers
from inference.launchers import Rank
from opencompass_ops.contract import variables


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", *filter(lambda name: name.startswith("SLURM_"), os.environ)):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_torchrun_is_the_usual_launcher():
    words = launchers.command(2, ["infer", "shard", "--worker"])
    assert words[:3] == [sys.executable, "-m", "torch.distributed.run"]
    assert words[-8:] == ["--standalone", "--nproc_per_node", "2", "-m", "inference", "infer", "shard", "--worker"]


def test_srun_starts_a_task_per_process_and_names_the_cpus_of_each(environment):
    environment.setenv(variables.LAUNCHER, "slurm")
    environment.setenv("SLURM_CPUS_PER_TASK", "5")
    assert launchers.command(4, ["infer"]) == [
        *("srun", "--nodes=1", "--ntasks=4", "--kill-on-bad-exit=1", "--cpus-per-task=5"),
        *(sys.executable, "-m", "inference", "infer"),
    ]


def test_a_worker_of_srun_knows_its_number(environment):
    for name, value in {"SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_LOCALID": "3"}.items():
        environment.setenv(name, value)
    assert launchers.this_rank() == Rank(3, 4)
    assert launchers.local_rank() == 3


def test_a_worker_of_torchrun_within_a_slurm_job_believes_torchrun(environment):
    for name, value in {"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_LOCALID": "0"}.items():
        environment.setenv(name, value)
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        environment.setenv(name, value)
    assert launchers.this_rank() == Rank(1, 2)
    assert launchers.local_rank() == 1


def test_workers_of_srun_are_told_by_scancel_for_srun_would_kill_them(environment, tmp_path):
    (tmp_path / "scancel").write_text('#!/bin/sh\necho "$@" > "$0.said"\n')
    (tmp_path / "scancel").chmod(0o755)
    environment.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    environment.setenv(variables.LAUNCHER, "slurm")
    environment.setenv("SLURM_JOB_ID", "42")
    with subprocess.Popen(["sleep", "30"]) as step:
        launchers.ask_to_stop(step)
        assert step.poll() is None
        step.kill()
    assert (tmp_path / "scancel.said").read_text() == "--signal=TERM 42\n"
