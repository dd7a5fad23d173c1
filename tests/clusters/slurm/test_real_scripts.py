"""The batch script under a real Slurm: signals, steps, secrets, names that a shell would change."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from opencompass_ops.clusters.base import JobState
from opencompass_ops.clusters.resources import Resources
from opencompass_ops.contract import layout
from tests.clusters.backends import Bench, ended, slurm_ssh, until, with_config

pytestmark = pytest.mark.slurm

TOKEN = "oc-1a2b3c-4d5e6f78-infer-0000-3fa9c1-e1"
WAITS = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"flushed\\n"), sys.exit(7)))
print("ready", flush=True)
time.sleep(600)
"""
STEPS = """
import os, signal, subprocess, sys
from inference import launchers

worker = '''
import os, signal, sys, time
from inference import launchers
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"flushed\\\\n"), sys.exit(0)))
rank = launchers.this_rank()
os.write(1, f"worker {rank.rank} of {rank.world} on device {launchers.local_rank()}\\\\n".encode())
time.sleep(600)
'''
argv = launchers.command(2, [])
step = subprocess.Popen([*argv[: argv.index("-m")], "-c", worker])


def stop(*_):
    launchers.ask_to_stop(step)


signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
sys.exit(step.wait())
"""


@pytest.fixture
def bench(request, tmp_path):
    return slurm_ssh(request, tmp_path)


@pytest.fixture
def controller(testbed):
    """Run a command as Slurm's administrator."""
    return testbed.run


def log(bench: Bench) -> str:
    path = bench.run_dir / layout.log("infer", "tiny", TOKEN)
    return path.read_text() if path.exists() else ""


def end(bench: Bench) -> dict:
    return json.loads((bench.run_dir / layout.job(TOKEN, "slurm.end")).read_text())


async def test_the_work_hears_sigterm_and_its_code_is_the_jobs(bench, controller):
    cluster = bench.open()
    await cluster.submit(bench.python(TOKEN, WAITS))
    await until(lambda: "ready" in log(bench))
    job_id = (bench.run_dir / layout.job(TOKEN, "slurm.job")).read_text().strip()
    controller("scancel", "--signal=TERM", "--batch", job_id)
    status = await ended(cluster, TOKEN)
    assert (status.state, status.exit_code) == (JobState.FAILED, 7)
    assert "SIGTERM, passed on" in log(bench)
    assert "flushed" in log(bench)
    assert end(bench) == {"job_id": job_id, "restart": 0, "returncode": 7, "why": "", "node": status.node}


async def test_the_workers_of_srun_are_numbered_and_hear_sigterm(bench, controller):
    cluster = bench.open()
    asked = bench.python(TOKEN, STEPS, num_procs=2, num_gpus=2, resources=Resources(launcher="slurm", cpus_per_task=2))
    await cluster.submit(asked)
    await until(lambda: log(bench).count("worker ") == 2)
    job_id = (bench.run_dir / layout.job(TOKEN, "slurm.job")).read_text().strip()
    controller("scancel", "--signal=TERM", "--batch", job_id)
    status = await ended(cluster, TOKEN)
    assert {"worker 0 of 2 on device 0", "worker 1 of 2 on device 1"} <= set(log(bench).splitlines())
    assert log(bench).count("flushed") == 2
    assert status.state is JobState.SUCCEEDED, log(bench)


async def test_a_setup_that_fails_says_so_in_the_status(bench):
    bench = with_config(bench, setup=("echo looking for cuda", "module-of-nobody load cuda"))
    cluster = bench.open()
    await cluster.submit(bench.shell(TOKEN, "echo worked"))
    status = await ended(cluster, TOKEN)
    assert status.state is JobState.FAILED
    assert f"a command of setup failed; see jobs/{TOKEN}/setup.log" in status.reason
    assert "looking for cuda" in (bench.run_dir / layout.job(TOKEN, "setup.log")).read_text()
    assert "worked" not in log(bench)


async def test_words_and_paths_arrive_as_they_are(bench):
    words = ["a b", "", "$HOME", "'\"", "x\n#SBATCH --wrap=rm\ny", "ü", "*", "%j", "-n", "\\"]
    run_dir = bench.run_dir.with_name("a run's \"dir\" $HOME %j ü, 'x'")
    run_dir.mkdir(mode=0o775)
    run_dir.chmod(0o2775)
    bench = replace(bench, run_dir=run_dir)
    cluster = bench.open()
    script = "import json, os, sys; json.dump([sys.argv[1:], os.getcwd(), os.environ['A']], open('shown', 'w'))"
    await cluster.submit(bench.python(TOKEN, script, *words, env={"A": "1\n2 '"}, title="model/a, b\n%j"))
    status = await ended(cluster, TOKEN)
    assert status.state is JobState.SUCCEEDED, log(bench)
    assert json.loads((run_dir / "shown").read_text()) == [words, str(run_dir), "1\n2 '"]


async def test_all_resources_are_words_that_sbatch_takes(bench, controller, testbed):
    values = {
        "gpu_type": "h100",
        "gpus_per_node": 8,
        "cpus_per_task": 2,
        "mem": "2G",
        "minutes": 5,
        "partition": "gpu",
        "account": "research",
        "quotatype": "auto",
        "nice": 5,
        "exclude": [testbed.bed.nodes[0]],
        "extra_args": ["--hint=nomultithread", "--contiguous", "--mail-type=NONE", "--threads-per-core=1"],
    }
    cluster = bench.open()
    asked = Resources.from_values("test", values)
    await cluster.submit(
        bench.shell(TOKEN, "true", resources=asked, num_gpus=2, memory_factor=1.5, exclude=(testbed.bed.nodes[1],))
    )
    status = await ended(cluster, TOKEN)
    assert status.state is JobState.SUCCEEDED, status
    job_id = (bench.run_dir / layout.job(TOKEN, "slurm.job")).read_text().strip()
    shown = controller("scontrol", "show", "job", job_id)
    for fact in ("Partition=gpu", "TimeLimit=00:05:00", "MinMemoryNode=3G", "CPUs/Task=4", "Nice=5", "Requeue=0"):
        assert fact in shown
    assert "gres:gpu:h100:2" in shown
    assert f"ExcNodeList={testbed.bed.nodes[0].removesuffix('1')}[1-2]" in shown
