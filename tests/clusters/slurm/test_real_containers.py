"""Jobs in containers of a real runtime: what is inside, and that none is left behind."""

from __future__ import annotations

import json

import pytest

from opencompass_ops.clusters.base import JobState
from opencompass_ops.clusters.software import Container
from opencompass_ops.contract import layout
from tests.clusters.backends import ended, slurm_ssh, until, with_config

pytestmark = pytest.mark.slurm

TOKEN = "oc-1a2b3c-4d5e6f78-infer-{}-3fa9c1-e1"
LOOK = """
import json, os, sys
facts = {
    "argv": sys.argv[1:], "cwd": os.getcwd(), "uid": os.getuid(), "environ": dict(os.environ),
    "home": os.path.exists(sys.argv[1]), "code": __import__("inference").__file__,
}
json.dump(facts, open("shown", "w"))
"""
WORK = """
import os, signal, sys, time
from inference.guard import guard_stdin
signal.signal(signal.SIGTERM, lambda *_: (os.write(1, b"flushed\\n"), sys.exit(7)))
guard_stdin()
open("pid", "w").write(os.readlink("/proc/self/ns/pid"))
print("at work", flush=True)
time.sleep(600)
"""


@pytest.fixture
def bench(request, tmp_path, inference_image):
    container = Container(
        "podman", inference_image.name, str(inference_image.archive), inference_image.mounts, gpu_args=()
    )
    return with_config(slurm_ssh(request, tmp_path), container=container, python="python")


def log(bench, token):
    path = bench.run_dir / layout.log("infer", "tiny", token)
    return path.read_text() if path.exists() else ""


def inmates(testbed, namespace):
    """The processes in a container's pid namespace."""
    find = (
        'for p in /proc/[0-9]*; do [ "$(readlink $p/ns/pid)" != "$1" ] || ps -o pid=,stat=,args= -p ${p#/proc/}; done'
    )
    return testbed.run("bash", "-c", f"{find} 2> /dev/null; true", "bash", namespace)


def containers(testbed):
    """Names of the user's containers, stopped ones included."""
    show = 'XDG_RUNTIME_DIR=/tmp/opencompass-ops.$(id -u) podman ps --all --format "{{.Names}}"'
    return testbed.ssh("srun", "bash", "-c", show).split()


async def test_a_job_sees_its_folders_and_its_names_and_nothing_of_the_home(bench, testbed):
    cluster = bench.open()
    tokens = [TOKEN.format(number) for number in "01"]
    home = str(testbed.bed.home(testbed.user))
    for token in tokens:
        await cluster.submit(
            bench.request(token, "python", "-c", LOOK, home, "a b", "$HOME", env={"A": "1 '"}, num_gpus=2)
        )
        assert (await ended(cluster, token, 60)).state is JobState.SUCCEEDED, log(bench, token)
    facts = json.loads((bench.run_dir / "shown").read_text())
    assert facts["argv"] == [home, "a b", "$HOME"]
    assert facts["cwd"] == str(bench.run_dir)
    assert facts["uid"] == bench.run_dir.joinpath("shown").stat().st_uid == testbed.bed.home(testbed.user).stat().st_uid
    assert facts["home"] is False
    assert facts["code"].startswith(f"{bench.config.work_dir}/.opencompass-ops/code/")
    assert (facts["environ"]["A"], facts["environ"]["FROM_CONFIG"]) == ("1 '", "yes")
    assert len(facts["environ"]["CUDA_VISIBLE_DEVICES"].split(",")) == 2
    assert "SLURM_CONF" not in facts["environ"]
    assert not (bench.run_dir / layout.job(tokens[1], "image.log")).exists(), "imported for the first job, if at all"


async def test_a_cancelled_job_flushes_and_leaves_no_container(bench, testbed):
    cluster, token = bench.open(), TOKEN.format(2)
    await cluster.submit(bench.request(token, "python", "-c", WORK))
    await until(lambda: "at work" in log(bench, token), 60)
    inside = (bench.run_dir / "pid").read_text()
    assert inmates(testbed, inside)
    await cluster.cancel([token])
    await until(lambda: not inmates(testbed, inside))
    assert "flushed" in log(bench, token)
    assert containers(testbed) == []


@pytest.mark.soak
async def test_a_container_does_not_outlive_a_job_that_slurm_had_to_kill(bench, testbed):
    cluster, token = bench.open(), TOKEN.format(3)
    deaf = WORK.replace('lambda *_: (os.write(1, b"flushed\\n"), sys.exit(7))', "signal.SIG_IGN")
    await cluster.submit(bench.request(token, "python", "-c", deaf))
    await until(lambda: "at work" in log(bench, token), 60)
    inside = (bench.run_dir / "pid").read_text()
    await cluster.cancel([token])
    await until(lambda: not inmates(testbed, inside), 40)
    assert not (bench.run_dir / layout.job(token, "slurm.end")).exists(), "nobody killed the batch script"
    await cluster.submit(bench.request(TOKEN.format(4), "true"))
    await ended(cluster, TOKEN.format(4), 60)
    assert containers(testbed) == [], "the next job on that node cleared up"
