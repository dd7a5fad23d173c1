"""What a login node answers means something, and what is wrong names the next step."""

from __future__ import annotations

import asyncio

import pytest

from opencompass_ops.clusters.findings import Finding
from opencompass_ops.clusters.shell import Answer
from opencompass_ops.clusters.slurm.checks import checks
from tests.clusters.slurm.script_site import cluster
from tests.clusters.slurm.test_code import Bash

SINFO = b"gpu*|up|4|2-00:00:00|gpu:h100:8\ncpu|up|9|1-00:00:00|(null)\nold|drain|1|infinite|gpu:4\n"


def finding(what: str, code: int = 0, out: bytes = b"", err: bytes = b"", weights: str = "/w", **config) -> Finding:
    asked = checks(cluster(data_dir="/data", **config), ["--partition=gpu"], weights)
    (check,) = (check for check in asked if check.what == what)
    return check.finding(Answer(code, out, err))


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        ("commands", {"err": b"/usr/bin"}),
        ("versions", {"out": b"5.2.15(1)-release\nslurm-wlm 22.05.8\n"}),
        ("versions", {"out": b"4.2.46(2)-release\nslurm 20.02.0\n"}),
        ("controller", {"out": b"Slurmctld(primary) at n0 is UP\n"}),
        ("partition", {"out": SINFO}),
        ("partition", {"out": SINFO, "resources": {"partition": "cpu"}}),
        ("partition", {"out": SINFO, "resources": {"partition": "cpu,gpu", "num_gpus": 1}}),
        ("account", {"out": b"sbatch: Job 7 to start at 2026-11-21T15:05:54 using 1 processors\n"}),
        ("accounting", {"out": b""}),
        ("accounting", {"code": 1, "out": b"Slurm accounting storage is disabled\n"}),
        ("state folder", {"out": b"/home/me/.opencompass-ops\n"}),
        ("data", {"out": b"/data\n"}),
        ("weights", {"out": b"config.json\nmodel.safetensors\n"}),
    ],
    ids=str,
)
def test_all_is_well(what, answer):
    assert finding(what, **answer).ok


@pytest.mark.parametrize(
    ("what", "answer", "says", "step"),
    [
        ("commands", {"out": b"sbatch\nflock\n", "err": b"/bin"}, "sbatch, flock; PATH is /bin", "~/.bashrc"),
        ("versions", {"out": b"5.0.1\nslurm 19.05.5\n"}, "slurm 19.05.5, bash 5.0.1", "Slurm 20.02"),
        ("versions", {"out": b"4.1.2\nslurm 22.05.1\n"}, "bash 4.1.2", "bash 4.2"),
        ("versions", {"code": 127, "out": b"5.2.1\n"}, "sbatch says nothing", "Slurm 20.02"),
        ("controller", {"code": 1, "out": b"Slurmctld(primary) at n0 is DOWN\n"}, "n0 is DOWN", "ask the site"),
        ("partition", {"out": b"cpu|up|9|infinite|\n"}, "Slurm has no default one", "choose with -p"),
        ("partition", {"out": SINFO, "resources": {"partition": "gpus"}}, "no partition gpus", "gpu, cpu, old"),
        ("partition", {"out": SINFO, "resources": {"partition": "old"}}, "not up: old", "gpu, cpu, old"),
        ("partition", {"out": SINFO, "resources": {"partition": "cpu", "num_gpus": 1}}, "has no GPUs: cpu", "-p"),
        ("partition", {"code": 1, "err": b"down"}, "no default one", "sinfo shows none"),
        ("account", {"code": 1, "out": b"sbatch: error: Invalid qos\nallocation failure: x\n"}, "Invalid qos", "qos"),
        ("state folder", {"code": 1, "err": b"mkdir: Read-only file system\n"}, "Read-only", "state_dir"),
        ("data", {"code": 1}, "data_dir is no folder", "correct data_dir or mounts"),
        ("weights", {"code": 1, "err": b"head: cannot open\n"}, "cannot open", "readable for the account"),
        ("weights", {"out": b"config.json\n"}, "/w holds config.json", "a checkpoint's folder"),
        ("weights", {"out": b""}, "/w holds no model", "a checkpoint's folder"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named_with_the_next_step(what, answer, says, step):
    found = finding(what, **answer)
    assert says in found.says
    assert step in found.next_step


@pytest.mark.parametrize(
    ("what", "is_well"), [("state folder", True), ("data", True), ("weights", False), ("controller", False)]
)
def test_the_scripts_run_in_bash_on_any_path(tmp_path, what, is_well):
    folder = tmp_path / 'a "folder" of $HOME\'s'
    folder.mkdir()
    config = cluster(data_dir=str(folder), state_dir=str(folder / "state"))
    (check,) = (check for check in checks(config, [], str(folder)) if check.what == what)
    bash = Bash(tmp_path)
    answer = asyncio.run(bash.run(check.script, check.arguments))
    assert check.finding(answer).ok is is_well
