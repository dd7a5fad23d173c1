"""The code of jobs is the same bytes everywhere, and a folder of its own where no archive can be sent."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from opencompass_ops import shipped
from opencompass_ops.clusters.code import pack, unpacked
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.errors import JobRefused


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENCOMPASS_OPS_STATE", str(tmp_path))
    return tmp_path


@pytest.fixture
def installed(repo: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a wheel was installed: no source tree, both packages where they are."""
    packages = shipped.packages()
    monkeypatch.setattr(shipped, "source_tree", lambda: None)
    monkeypatch.setattr(shipped, "packages", lambda: packages)


def test_the_archive_is_the_same_whenever_it_is_made() -> None:
    assert pack.__wrapped__() == pack.__wrapped__()
    with tarfile.open(fileobj=io.BytesIO(pack().archive)) as archive:
        names = archive.getnames()
        assert {entry.mtime for entry in archive} == {0}
    assert names == sorted(names)
    assert {"inference/__main__.py", "opencompass_ops/__init__.py", "opencompass_ops/contract/spec.py"} <= set(names)
    assert not any("clusters" in name or "__pycache__" in name for name in names)


def test_unpacked_it_holds_the_same_files_and_runs(state: Path) -> None:
    folder = unpacked()
    assert folder == state / "code" / pack().name
    with tarfile.open(fileobj=io.BytesIO(pack().archive)) as archive:
        sent = {entry.name: archive.extractfile(entry).read() for entry in archive}
    assert {f.relative_to(folder).as_posix(): f.read_bytes() for f in folder.rglob("*.py")} == sent
    argv = [sys.executable, "-S", "-m", "inference", "--help"]
    done = subprocess.run(argv, env={"PYTHONPATH": str(folder)}, cwd="/", capture_output=True, check=False)
    assert b"python -m inference" in done.stdout, done.stderr


def test_many_at_once_leave_one_whole_folder(state: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        folders = set(pool.map(lambda _: unpacked(), range(8)))
    assert [path for path in (state / "code").iterdir()] == list(folders)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shipped, "packages", lambda: {"inference": tmp_path})
    with pytest.raises(JobRefused, match=rf"inference that jobs import is not at {tmp_path}"):
        pack.__wrapped__()


@pytest.mark.usefixtures("installed")
def test_local_jobs_of_an_installation_get_a_folder_where_their_python_is_another_one() -> None:
    assert ClusterConfig("here").code_folders == ()
    assert ClusterConfig("here", python="/envs/other/bin/python").code_folders == (str(unpacked()),)
    assert ClusterConfig("here", python="/envs/other/bin/python", code_dir=("/own",)).code_folders == ("/own",)
    assert ClusterConfig("there", kind="slurm", python="/envs/other/bin/python").code_folders == ()
