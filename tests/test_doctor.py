"""The doctor tries what a run would need, and leaves nothing behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.testbed import Testbed
from opencompass_ops.cli import main
from small_world import SmallWorld, make_world

Doctor = Callable[..., tuple[int, str]]


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Exit code and report, spaces made one."""

    def look(*arguments: str) -> tuple[int, str]:
        code = main(["doctor", *arguments])
        return code, " ".join(capsys.readouterr().out.split())

    return look


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWorld]:
    """Jobs of this host; their Python is the real one, because the doctor's job is none of ours."""
    for world in make_world(tmp_path, monkeypatch):
        world.cluster("plain", f"python = {sys.executable!r}\n")
        yield world


@pytest.mark.process
def test_a_sound_host_is_ok_from_the_folder_to_the_job(here: SmallWorld, doctor: Doctor):
    code, report = doctor("plain", "--weights", str(here.folder / "tiny"))
    assert code == 0, report
    assert report.startswith("ok run directory")
    for line in ("ok job job ", "ok software Python 3.", "ok GPU none asked for", "ok weights there"):
        assert line in report
    assert list((here.folder / "outputs/.opencompass-ops").iterdir()) == []


@pytest.mark.process
@pytest.mark.parametrize(
    ("more", "arguments", "words"),
    [
        ("", ["--gpus", "99"], "FAIL job a job needs 99 GPU(s)"),
        ("", ["--weights", "/no/where"], "FAIL weights there /no/where cannot be read in a job -> mount it"),
        ("python = '/bin/false'\n", [], "FAIL job failed: ended with code 1"),
        ("data_dir = '/no/where'\n", [], "FAIL data here /no/where is no folder on this host"),
        ("work_dir = '/proc/x'\n", [], "FAIL run directory work dir /proc/x/.opencompass-ops cannot be used"),
    ],
    ids=str,
)
def test_what_a_host_lacks_is_named(here: SmallWorld, doctor: Doctor, more: str, arguments: list[str], words: str):
    here.cluster("broken", f"python = {sys.executable!r}\n" + more)
    code, report = doctor("broken", *arguments)
    assert code == 1
    assert words in report


CLUSTER = """
kind = 'slurm'
connection_id = 'bed'
work_dir = {folder!r} + '/outputs'
data_dir = {folder!r}
state_dir = {folder!r} + '/state'
python = {python!r}
umask = '002'
poll_interval = 1
"""


@pytest.fixture
def slurm(testbed: Testbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Writes the config of a real Slurm with changes, and returns its name."""
    monkeypatch.setenv("AIRFLOW_CONN_BED", json.dumps(testbed.airflow_connection()))
    folder = testbed.make_folder(tmp_path.name)

    def write(more: str = "") -> str:
        text = CLUSTER.format(folder=str(folder), python=str(testbed.python))
        (tmp_path / "configs/clusters/bed.py").write_text(text + more)
        return "bed"

    for _ in make_world(tmp_path, monkeypatch):
        SmallWorld(folder).checkpoint("tiny")
        yield write


@pytest.mark.slurm
def test_a_sound_slurm_is_ok_from_the_login_to_the_job(slurm, doctor: Doctor, testbed: Testbed, tmp_path: Path):
    weights = testbed.shared / tmp_path.name / "tiny"
    code, report = doctor(slurm(), "--weights", str(weights), "--partition", "requeue")
    assert code == 0, report
    looked_at = ["host key", "login", "commands", "versions", "controller", "partition requeue:", "account"]
    looked_at += [
        "accounting",
        "state folder",
        "data",
        "weights",
        "code",
        "run directory",
        "job job",
        "software",
        "GPU",
    ]
    for what in looked_at:
        assert f"ok {what} " in report
    assert "FAIL" not in report


@pytest.mark.slurm
@pytest.mark.parametrize(
    ("more", "arguments", "words"),
    [
        ("", ["-p", "nowhere"], "FAIL partition there is no partition nowhere -> choose with -p"),
        ("", ["--gpus", "9999"], "FAIL account "),
        ("resources = dict(launcher='none')\nwork_dir = work_dir + '\\t'\n", [], "FAIL resources sbatch cannot write"),
        ("python = '/no/python'\n", [], "FAIL job failed"),
        ("work_dir = '/root/private'\n", [], "FAIL code the code cannot be sent"),
        ("connection_id = 'no-such-host-at-all.invalid'\n", [], "FAIL login no-such-host-at-all.invalid"),
    ],
    ids=str,
)
def test_what_a_slurm_lacks_is_named(slurm, doctor: Doctor, more: str, arguments: list[str], words: str):
    code, report = doctor(slurm(more), *arguments)
    assert code == 1
    assert words in report


@pytest.mark.slurm
def test_a_job_that_does_not_start_in_time_is_told_and_cancelled(slurm, doctor: Doctor, testbed: Testbed):
    nodes = len(testbed.bed.nodes)
    testbed.ssh("sbatch", "--exclusive", f"--nodes={nodes}", "--output=/dev/null", "--wrap", "sleep 120")
    code, report = doctor(slurm(), "--wait", "4")
    left = testbed.run("squeue", "-h", "--format=%j").split()
    testbed.cancel_jobs()
    assert code == 1
    assert "FAIL job queued after 4 s: " in report
    assert left == ["wrap"]
