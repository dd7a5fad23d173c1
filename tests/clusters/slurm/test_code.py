"""The code travels once, as the same bytes, and no reader ever sees half of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from opencompass_ops.clusters.shell import Answer
from opencompass_ops.clusters.slurm import code
from opencompass_ops.errors import JobRefused, UnsureError
from tests.clusters.slurm.script_site import cluster


class Bash:
    """A shell whose every call is a bash of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.sent: list[int] = []

    async def run(self, script, arguments=(), stdin=b"", *, timeout=60.0):
        self.sent.append(len(stdin))
        argv = ["bash", "--noprofile", "--norc", "-c", script, "bash", *arguments]
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.home)}
        done = await asyncio.to_thread(subprocess.run, argv, input=stdin, capture_output=True, env=environ)
        return Answer(done.returncode, done.stdout, done.stderr)

    async def close(self):
        pass


def names(folder):
    """What lies in it, hidden or not."""
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def bash(tmp_path):
    return Bash(tmp_path / "home")


async def test_it_is_sent_once_and_runs_there(bash, tmp_path):
    config = cluster(work_dir=str(tmp_path / "a work 'dir'"))
    folders = await asyncio.gather(*(code.code_dir(bash, config) for _ in range(5)))
    assert set(folders) == {f"{config.work_dir}/.opencompass-ops/code/{code.pack().name}"}
    assert bash.sent == [0, len(code.pack().archive)]
    done = subprocess.run(
        [sys.executable, "-S", "-m", "inference", "--help"],
        env={"PYTHONPATH": folders[0]},
        cwd="/",
        capture_output=True,
    )
    assert b"python -m inference" in done.stdout, done.stderr
    another = Bash(tmp_path)
    await code.code_dir(another, config)
    assert another.sent == [0]


async def test_many_at_once_leave_one_whole_folder(tmp_path):
    config = cluster(work_dir=str(tmp_path))
    folders = await asyncio.gather(*(code.code_dir(Bash(tmp_path), config) for _ in range(8)))
    assert len(set(folders)) == 1
    assert names(tmp_path / ".opencompass-ops/code") == [code.pack().name]


async def test_it_lies_where_the_cluster_sees_it(bash, tmp_path):
    seen = tmp_path / "gpfs"
    config = cluster(work_dir="/mnt/runs", mounts={"/mnt": str(seen)})
    assert (await code.code_dir(bash, config)).startswith(f"{seen}/runs/.opencompass-ops/code/")
    assert (await code.code_dir(bash, cluster())).startswith(f"{bash.home}/.opencompass-ops/code/")
    assert await code.code_dir(bash, cluster(code_dir="/opt/ours")) == ""


async def test_the_team_may_read_it(bash, tmp_path):
    folder = await code.code_dir(bash, cluster(work_dir=str(tmp_path), umask="007"))
    assert Path(folder).stat().st_mode & 0o777 == 0o770


async def test_a_place_that_cannot_be_written_is_named(bash, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(JobRefused, match=r"cannot be sent: .*file.*correct work_dir"):
        await code.code_dir(bash, cluster(work_dir=str(tmp_path / "file")))


async def test_an_archive_cut_on_the_way_leaves_nothing(bash, tmp_path, monkeypatch):
    whole = code.pack()
    monkeypatch.setattr(code, "pack", lambda: replace(whole, archive=whole.archive[:1000]))
    with pytest.raises(JobRefused):
        await code.code_dir(bash, cluster(work_dir=str(tmp_path)))
    assert names(tmp_path / ".opencompass-ops/code") == []


async def test_an_answer_that_says_nothing_is_no_answer(bash, monkeypatch):
    async def nothing(*arguments, **more):
        return Answer(0, b"", b"")

    monkeypatch.setattr(bash, "run", nothing)
    with pytest.raises(UnsureError, match="no answer"):
        await code.code_dir(bash, cluster())
