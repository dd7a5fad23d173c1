"""What a testbed offers to its users."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.blueprint import Blueprint, Options
from cluster.usage import cluster_config
from opencompass_ops.clusters.config import ClusterConfig


def test_the_cluster_config_is_a_valid_one() -> None:
    bed = Blueprint.draw(Path("/tmp/b"), Options())
    values: dict[str, object] = {}
    exec(cluster_config(bed, Path("/opt/python")), values)
    del values["__builtins__"]
    config = ClusterConfig.from_values("testbed", values)
    assert (config.kind, config.group, config.interpreter) == ("slurm", bed.group, "/opt/python")
    assert Path(config.work_dir).is_relative_to(bed.shared)


@pytest.fixture
def folder(slurm_packages: None) -> Iterator[Path]:
    """Where a testbed can be: open to other users."""
    with tempfile.TemporaryDirectory(dir="/tmp") as outer:
        Path(outer).chmod(0o755)
        yield Path(outer) / "bed"


@pytest.mark.slurm
def test_the_commands_bring_a_testbed_up_once_and_down(folder: Path, repo: Path) -> None:
    def cluster(command: str, *options: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "cluster", command, "--folder", folder, *options]
        return subprocess.run(program, cwd=repo / "tests", capture_output=True, text=True, check=False)

    assert cluster("status").returncode == 1
    try:
        first = cluster("up", "--accounting", "none")
        assert first.stdout.startswith("Slurm is up in"), first.stderr
        assert cluster("up").stdout.startswith("Slurm is up already")
        assert cluster("status").returncode == 0
        assert json.loads((folder / "connection.json").read_text())["conn_type"] == "ssh"
        assert (folder / "configs" / "clusters" / "testbed.py").exists()
    finally:
        last = cluster("down")
    assert last.stdout.startswith("Slurm is down in"), last.stderr
    assert not folder.exists()
