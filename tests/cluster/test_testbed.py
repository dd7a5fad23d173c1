"""A testbed is a real cluster, and leaves nothing behind."""

from __future__ import annotations

import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cluster import accounts, leftovers
from cluster.blueprint import CGROUPS
from cluster.daemons import wait_until
from cluster.programs import slurmd
from cluster.testbed import Testbed, sweep
from opencompass_ops.clusters.processes import ProcessId

pytestmark = pytest.mark.slurm
SECONDS = 60


def submit(bed: Testbed, script: str, *options: str) -> str:
    """Submit as the user, over SSH; returns the job's id."""
    where = f"--output={bed.shared}/%j.out"
    return bed.ssh("sbatch", "--parsable", where, *options, stdin=f"#!/bin/sh\n{script}\n").strip()


def state(bed: Testbed, job: str) -> str:
    return bed.run("squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T").strip()


def wait_for(bed: Testbed, job: str, wanted: str) -> None:
    wait_until(f"job {job} is {wanted}", lambda: state(bed, job) == wanted, SECONDS)


def test_a_job_runs_as_the_user_on_the_gpus_it_asked_for(testbed: Testbed) -> None:
    job = submit(testbed, 'id -un; echo "$CUDA_VISIBLE_DEVICES"', "--gres=gpu:2")
    wait_for(testbed, job, "COMPLETED")
    assert (testbed.shared / f"{job}.out").read_text().split() == [testbed.user, "0,1"]


def test_accounting_knows_the_job_too(testbed: Testbed) -> None:
    job = submit(testbed, "exit 7")
    wait_for(testbed, job, "FAILED")

    def row() -> str:
        return testbed.run("sacct", "-X", "-n", "-P", f"--jobs={job}", "--format=State,ExitCode,User").strip()

    wait_until("accounting has the end", lambda: row() == f"FAILED|7:0|{testbed.user}", SECONDS)


def test_every_login_is_counted(testbed: Testbed) -> None:
    before = testbed.connections
    testbed.ssh("true")
    assert testbed.connections == before + 1


def test_words_reach_the_remote_command_as_they_are(testbed: Testbed) -> None:
    assert testbed.ssh("printf", "%s", "it's $HOME; `id`") == "it's $HOME; `id`"


def test_both_sides_write_to_a_shared_folder(testbed: Testbed, tmp_path: Path) -> None:
    folder = testbed.make_folder(tmp_path.name)
    testbed.ssh("touch", str(folder / "by-the-user"))
    assert (folder / "by-the-user").group() == testbed.bed.group
    (folder / "by-the-tests").touch()
    assert (folder / "by-the-tests").group() == testbed.bed.group


def test_jobs_have_a_python_with_the_packages_of_this_one(testbed: Testbed) -> None:
    code = "import numpy, sys; print(numpy.__version__, *sys.version_info[:2])"
    expected = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert testbed.ssh("srun", str(testbed.python), "-c", code) == expected


def test_a_controller_that_was_killed_goes_on_with_its_jobs(testbed: Testbed) -> None:
    job = submit(testbed, "sleep 600")
    wait_for(testbed, job, "RUNNING")
    testbed.wait_saved()
    testbed.send("slurmctld", signal.SIGKILL)
    assert "slurmctld" not in testbed.daemons.alive
    testbed.start("slurmctld")
    testbed.wait_controller()
    assert state(testbed, job) == "RUNNING", testbed.slurmctld_log.read_text()[-3000:]
    testbed.run("scancel", job)
    wait_for(testbed, job, "CANCELLED")


def test_cut_connections_end_with_255(testbed: Testbed) -> None:
    client = subprocess.Popen(["ssh", "-F", testbed.bed.ssh / "config", "testbed", "echo here; sleep 600"], stdout=-1)
    assert client.stdout is not None
    assert client.stdout.readline() == b"here\n"
    assert testbed.cut_connections() > 0
    assert client.wait(SECONDS) == 255
    client.stdout.close()


def test_a_second_user_has_a_login_of_its_own(make_testbed: Callable[..., Testbed]) -> None:
    bed = make_testbed(accounting="none", users=2)
    if not bed.bed.is_private:
        pytest.skip("only root can make users")
    names = [bed.airflow_connection(number)["login"] for number in (0, 1)]
    assert names == list(bed.bed.users)
    config = str(bed.bed.ssh / "config")
    assert bed.run("ssh", "-F", config, "testbed2", "id -un").strip() == names[1]


def test_a_testbed_may_let_in_one_connection_at_a_time(make_testbed: Callable[..., Testbed]) -> None:
    bed = make_testbed(accounting="none", max_startups="1:100:1", max_sessions=1)
    assert bed.ssh("echo", "in") == "in\n"


def test_without_accounting_a_job_is_forgotten(make_testbed: Callable[..., Testbed]) -> None:
    bed = make_testbed(accounting="none", min_job_age=2)
    job = submit(bed, "true")

    def forgotten() -> bool:
        try:
            state(bed, job)
        except RuntimeError as error:
            return "Invalid job id" in str(error)
        return False

    wait_until("the job is forgotten", forgotten, SECONDS)
    with pytest.raises(RuntimeError, match="accounting storage is disabled"):
        bed.run("sacct")


def test_nothing_is_left_of_a_testbed_that_went_down_amid_jobs(make_testbed: Callable[..., Testbed]) -> None:
    bed = make_testbed(accounting="none")
    other = make_testbed(accounting="none")
    job = submit(bed, f"echo > /tmp/{bed.bed.name}; setsid sleep 601 & trap '' TERM; echo on; sleep 602; sleep 603")
    theirs = submit(other, "sleep 604")
    wait_for(other, theirs, "RUNNING")
    wait_until("the job runs", lambda: (bed.shared / f"{job}.out").exists(), SECONDS)
    uid = accounts.ids(bed.user)[0]
    bed.send(slurmd(bed.bed.nodes[3]), signal.SIGSTOP)  # the way down works on a broken cluster too
    bed.down()
    assert not bed.bed.folder.exists()
    assert leftovers.strays(bed.bed) == []
    assert not [path for node in bed.bed.nodes for path in CGROUPS.glob(f"*/slurm_{node}")]
    assert state(other, theirs) == "RUNNING"
    if bed.bed.is_private:
        assert accounts.processes(uid) == []
        assert not Path(f"/tmp/{bed.bed.name}").exists()
        with pytest.raises(KeyError):
            pwd.getpwnam(bed.user)


def test_a_testbed_whose_owner_was_killed_is_swept(make_testbed: Callable[..., Testbed], tmp_path: Path) -> None:
    child = subprocess.Popen(["sleep", "600"])
    owner = ProcessId.of(child.pid)
    bed = make_testbed(accounting="none", owner=owner)
    assert sweep([bed.bed.folder]) == []
    child.kill()
    child.wait()
    assert sweep([tmp_path, bed.bed.folder]) == [bed.bed.folder]
    assert bed.daemons.alive == {}
    assert not bed.bed.folder.exists()


def test_a_testbed_that_cannot_come_up_leaves_its_logs_and_nothing_else(make_testbed: Callable[..., Testbed]) -> None:
    with pytest.raises(RuntimeError, match=r"did not come up: slurmctld.* ended; its logs are in") as raised:
        make_testbed(accounting="none", extra=("NoSuchSetting=1",))
    logs = Path(str(raised.value).rpartition(" ")[2])
    assert "NoSuchSetting" in (logs / "slurmctld.out").read_text()
    assert not naming(logs.parent)
    shutil.rmtree(logs.parent)


def naming(folder: Path) -> list[str]:
    """Command lines that name the folder."""
    lines = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if str(folder) in line]
