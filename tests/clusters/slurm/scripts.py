"""Requests of Slurm jobs, and their scripts run by bash as slurmd would."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from opencompass_ops.clusters.base import JobRequest
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.slurm.script import job_script

TOKEN = "oc-1a2b3c-4d5e6f78-infer-0000-3fa9c1-e1"
SHOW = "import json, os, sys; json.dump([sys.argv[1:], dict(os.environ)], open(sys.argv[1], 'w'))"


def request(*argv: str, run_dir: str = "/work/20240101_000000", **more) -> JobRequest:
    """A request as drive makes it."""
    return JobRequest(TOKEN, "group", 8, argv, run_dir, "logs/a.out", f"jobs/{TOKEN}", **more)


def cluster(**values) -> ClusterConfig:
    """A Slurm cluster's config."""
    return ClusterConfig.from_values("hpc", {"kind": "slurm", **values})


@dataclass
class Site:
    """A run directory and a state folder, and a bash that takes the place of slurmd."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.job_dir.mkdir(parents=True)
        (self.state / "secrets").mkdir(parents=True)

    @property
    def run_dir(self) -> Path:
        """A folder whose name is no word of a shell."""
        return self.folder / 'a run\'s "dir" $HOME ü'

    @property
    def job_dir(self) -> Path:
        """The submission's folder."""
        return self.run_dir / "jobs" / TOKEN

    @property
    def state(self) -> Path:
        """The account's folder."""
        return self.folder / "state"

    def script(self, *argv: str, code_dir: str = "", config: dict | None = None, **more) -> str:
        """The script of a job that runs argv."""
        values = {"state_dir": str(self.state), **(config or {})}
        return job_script(request(*argv, run_dir=str(self.run_dir), **more), cluster(**values), code_dir)

    def start(self, script: str, job_id: str = "42") -> subprocess.Popen[str]:
        """Run a script; its log is the pipe."""
        path = self.folder / f"job{job_id}.sh"
        path.write_text(script)
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "SLURM_JOB_ID": job_id, **self.variables}
        return subprocess.Popen(
            ["bash", str(path)], env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def run(self, *argv: str, job_id: str = "42", **more) -> tuple[int, str]:
        """Run a job to its end: its code and its log."""
        process = self.start(self.script(*argv, **more), job_id)
        log, _ = process.communicate(timeout=30)
        return process.returncode, log

    def end(self) -> dict:
        """What the script wrote last."""
        return json.loads((self.job_dir / "slurm.end").read_text())
