"""Where the demo's jobs run: on this machine, or on a Slurm that is brought up for them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(".demo").absolute()
BED = Path(".cluster").absolute()


@dataclass(frozen=True)
class Place:
    """One cluster as the demo sees it.

    :param cluster: the name of its config.
    :param data: the folder that gets ``data/demo``.
    :param outputs: run directories are made below it.
    :param reach: the folder below which jobs see checkpoints, None where they see all files.
    :param kept: the run directory is copied to here, None where it stays.
    :param env: variables that Airflow's components need for it.
    """

    cluster: str
    data: Path
    outputs: Path
    reach: Path | None = None
    kept: Path | None = None
    env: dict[str, str] = field(default_factory=dict)
    trained: Path = FOLDER / "checkpoints"

    def bring(self, checkpoints: list[Path]) -> list[Path]:
        """The checkpoints where jobs see them and may read them: weights are saved for their owner only."""
        if self.reach is None:
            return checkpoints
        copies = [shutil.copytree(each, self.reach / each.name, dirs_exist_ok=True) for each in checkpoints]
        for file in (file for copy in copies for file in copy.iterdir()):
            file.chmod(0o644)
        return copies

    def keep(self, run_dir: Path) -> Path:
        """The run directory where it stays when the cluster has gone."""
        return run_dir if self.kept is None else shutil.copytree(run_dir, self.kept / run_dir.name)


@contextmanager
def place(cluster: str) -> Iterator[Place]:
    """The place named ``local`` or ``slurm``; a Slurm that this brought up goes when it is left.

    :raises subprocess.CalledProcessError: it did not come up; it said why.
    """
    if cluster == "local":
        yield Place("local", data=Path.cwd(), outputs=FOLDER / "outputs")  # ./data/demo is where the config looks
        return
    is_up = _cluster("status", stdout=subprocess.DEVNULL).returncode == 0
    try:
        _cluster("up").check_returncode()
        yield slurm(BED)
    finally:
        if not is_up:
            _cluster("down")


def slurm(bed: Path) -> Place:
    """The testbed in ``bed``. Its results have a database of their own: what ran here is no reason not to run there."""
    shared = bed / "shared"
    env = {
        "AIRFLOW_CONN_TESTBED": (bed / "connection.json").read_text(),
        "OPENCOMPASS_OPS_CONFIG_DIR": str(bed / "configs"),
        "OPENCOMPASS_OPS_DATABASE": f"sqlite:///{bed / 'results.db'}",
    }
    return Place(
        "testbed",
        data=shared,
        outputs=shared / "outputs",
        reach=shared / "checkpoints",
        kept=FOLDER / "slurm",
        env=env,
    )


def _cluster(command: str, stdout: int | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a command of the project's testbed; see tests/cluster."""
    program = [sys.executable, "-m", "cluster", command, "--folder", str(BED)]
    tests = Path(__file__).resolve().parent.parent / "tests"
    return subprocess.run(program, cwd=tests, stdout=stdout, check=False)
