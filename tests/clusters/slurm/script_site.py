"""Requests of Slurm jobs, and their scripts run by bash as slurmd would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from opencompass_ops.clusters.base import JobRequest
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.resources import Resources
from opencompass_ops.clusters.slurm.script import job_script

TOKEN = "oc-1a2b3c-4d5e6f78-infer-0000-3fa9c1-e1"
SHOW = "import json, os, sys; json.dump([sys.argv[1:], dict(os.environ)], open(sys.argv[1], 'w'))"


def request(*argv: str, run_dir: str = "/work/20240101_000000", **more) -> JobRequest:
    """A request as drive makes it."""
    return JobRequest(TOKEN, "group", 8, argv, run_dir, "logs/a.out", f"jobs/{TOKEN}", **more)


def cluster(**values) -> ClusterConfig:
    """A Slurm cluster's config."""
    return ClusterConfig.from_values("hpc", {"kind": "slurm", **values})


SHAPES = {
    "none": {},
    "setup_and_modules": {"setup": ["source /etc/profile", "module use /opt/modules"], "modules": ["cuda/12.4", "gcc"]},
    "conda_variables": {"conda": {"way": "variables", "libraries": True}},
    "conda_python": {"conda": {"way": "python", "env": "llm", "root": "/opt/conda"}},
    "conda_path": {"conda": {"way": "path", "env": "/opt/conda/envs/llm", "libraries": True}},
    "conda_run": {"conda": {"way": "run", "env": "llm", "root": "/opt/conda"}},
    "apptainer": {"container": {"runtime": "apptainer", "image": "docker://ghcr.io/team/inference:1"}},
    "pyxis": {"container": {"runtime": "pyxis", "image": "docker://ghcr.io#team/inference:1"}},
    "docker": {"container": {"runtime": "docker", "image": "team/inference:1", "args": ["--shm-size=16g"]}},
    "podman": {"container": {"runtime": "podman", "image": "localhost/inference:1", "archive": "/images/i.tar"}},
    "torchrun": {},
    "srun": {},
}
_SITE = {
    "work_dir": "/work",
    "data_dir": "/data",
    "env": {"HF_HOME": "/models/hf"},
    "secrets": ["HF_TOKEN"],
    "umask": "007",
    "library_path": ["/opt/lib"],
    "nccl_interface": "ib0",
    "offline": True,
}
_LAUNCHERS = {"torchrun": "pytorch", "srun": "slurm"}


def golden(shape: str) -> str:
    """The script of one way to run a job; ``python -m tests.clusters.slurm.script_site`` writes all of them anew."""
    values = {**_SITE, **SHAPES[shape]}
    if "container" in values:
        values["container"] = {**values["container"], "mounts": {"/models": "/models:ro"}}
        del values["library_path"]
    argv = ("python3", "-m", "inference", "infer", "/work/20240101_000000/shards/infer-0000-3fa9c1.json")
    launcher = Resources(launcher=_LAUNCHERS.get(shape, ""))
    asked = request(*argv, env={"PYTHONUNBUFFERED": "1"}, num_gpus=2, resources=launcher)
    return job_script(asked, cluster(**values), "/work/.opencompass-ops/code/0123456789abcdef")


@dataclass
class Site:
    """A run directory and a state folder, and a bash that takes the place of slurmd."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    jobs: list[subprocess.Popen[str]] = field(default_factory=list)

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
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.jobs.append(subprocess.Popen(["bash", str(path)], env=environ, start_new_session=True, **pipes))
        return self.jobs[-1]

    def run(self, *argv: str, job_id: str = "42", **more) -> tuple[int, str]:
        """Run a job to its end: its code and its log."""
        process = self.start(self.script(*argv, **more), job_id)
        log, _ = process.communicate(timeout=30)
        return process.returncode, log

    def close(self) -> None:
        """Let no process outlive the test."""
        for job in self.jobs:
            with suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)
            if job.stdout and not job.stdout.closed:
                job.communicate()

    def end(self) -> dict:
        """What the script wrote last."""
        return json.loads((self.job_dir / "slurm.end").read_text())


if __name__ == "__main__":
    for shape in SHAPES:
        (Path(__file__).parents[2] / "golden/slurm" / f"{shape}.sh").write_text(golden(shape))
