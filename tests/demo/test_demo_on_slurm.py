"""The whole demo, its jobs in a real Slurm."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder(slurm_packages: None) -> Iterator[Path]:
    """A folder that the cluster's users can reach."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.soak
@pytest.mark.slurm
@pytest.mark.live
@pytest.mark.timeout(900)
def test_the_demos_jobs_run_in_slurm_and_nothing_of_it_is_left(repo: Path, folder: Path) -> None:
    env = os.environ | {"CLUSTER": "slurm", "PYTHONPATH": os.pathsep.join([str(repo), str(repo / "plugins")])}
    done = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.count("\nok: ") == 2
    assert "infer_slurm 12 success" in done.stdout
    assert not (folder / ".cluster").exists()
    assert list((folder / ".demo" / "slurm").glob("*/summary/*.csv"))
