"""Every backend that must pass the conformance suite: a new one adds a factory to ``BACKENDS``."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest

from opencompass_ops.clusters.base import Cluster, JobRequest, JobStatus
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.registry import open_cluster
from opencompass_ops.contract import layout

SUBMITTER = """
import asyncio, json, sys
from opencompass_ops.clusters.base import JobRequest
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.registry import open_cluster
from opencompass_ops.clusters.resources import Resources

values, wanted, times = json.loads(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3])
wanted["argv"] = tuple(wanted["argv"])
wanted["resources"] = Resources.from_values("resources", wanted["resources"])
cluster = open_cluster(ClusterConfig.from_values("test", values))


async def main():
    calls = [cluster.submit(JobRequest(**wanted)) for _ in range(times)]
    print(json.dumps([answer.value for answer in await asyncio.gather(*calls)]), flush=True)
    sys.stdin.read()


asyncio.run(main())
"""


@dataclass(frozen=True)
class Bench:
    """A cluster to try, and the folder its jobs work in.

    :param inherits: whether jobs see variables of the submitting process, such as HF_HOME.
    :param interpreter: a Python that jobs can run.
    :param whole_minutes: whether the cluster counts time limits in whole minutes.
    """

    config: ClusterConfig
    run_dir: Path
    inherits: bool = True
    interpreter: str = sys.executable
    whole_minutes: bool = False

    def open(self) -> Cluster:
        """A new instance, as another process would have."""
        return open_cluster(self.config)

    def request(self, token: str, *argv: str, group: str = "group", max_running: int = 100, **more) -> JobRequest:
        """A request with the paths that drive would choose."""
        more.setdefault("log_path", layout.log("infer", "tiny", token))
        return JobRequest(token, group, max_running, argv, str(self.run_dir), job_dir=layout.job(token), **more)

    def python(self, token: str, script: str, *arguments: str, **more) -> JobRequest:
        """A request that runs a Python script."""
        return self.request(token, self.interpreter, "-S", "-c", script, *arguments, **more)

    def shell(self, token: str, script: str, *arguments: str, **more) -> JobRequest:
        """A request that runs a shell script in the run directory."""
        return self.request(token, "/bin/sh", "-c", script, "sh", *arguments, **more)

    def submitter(self, request: JobRequest, times: int = 1) -> subprocess.Popen[str]:
        """Another process that submits the request and then waits for its stdin to close."""
        plain = json.dumps({**asdict(request), "env": dict(request.env), "resources": request.resources.to_values()})
        argv = [sys.executable, "-c", SUBMITTER, json.dumps(self.config.to_values()), plain, str(times)]
        path = os.pathsep.join(path for path in sys.path if path)
        environ = {**os.environ, "PYTHONPATH": path}
        return subprocess.Popen(argv, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def lines(self, name: str) -> list[str]:
        """The lines that jobs wrote into a file of the run directory."""
        path = self.run_dir / name
        return path.read_text().splitlines() if path.exists() else []

    def log(self, token: str) -> str:
        """What the job printed."""
        return (self.run_dir / layout.log("infer", "tiny", token)).read_text()


def local(request: pytest.FixtureRequest, folder: Path) -> Bench:
    """Processes of this host."""
    run_dir = folder / 'a run\'s "dir"\nüber $HOME'
    run_dir.mkdir(parents=True)
    values = {"state_dir": str(folder / "state"), "env": {"FROM_CONFIG": "yes"}}
    return Bench(ClusterConfig.from_values("test", values), run_dir)


def slurm(request: pytest.FixtureRequest, folder: Path) -> Bench:
    """A real Slurm whose commands are on this host."""
    testbed = request.getfixturevalue("testbed")
    request.getfixturevalue("monkeypatch").setenv("SLURM_CONF", str(testbed.bed.slurm_conf))
    run_dir = folder / 'a run\'s "dir" über $HOME 100%'
    run_dir.mkdir()
    values = {
        "kind": "slurm",
        "work_dir": str(folder),
        "state_dir": str(folder / "state"),
        "env": {"FROM_CONFIG": "yes"},
    }
    return Bench(ClusterConfig.from_values("test", values), run_dir, inherits=False, whole_minutes=True)


def slurm_ssh(request: pytest.FixtureRequest, folder: Path) -> Bench:
    """A real Slurm behind a login node, where jobs are another user's than this process."""
    testbed = request.getfixturevalue("testbed")
    connection = json.dumps(testbed.airflow_connection())
    request.getfixturevalue("monkeypatch").setenv("AIRFLOW_CONN_BED", connection)
    place = testbed.make_folder(uuid.uuid4().hex)
    run_dir = place / "run"
    run_dir.mkdir()
    run_dir.chmod(0o2775)
    values = {
        "kind": "slurm",
        "connection_id": "bed",
        "work_dir": str(place),
        "state_dir": str(place / "state"),
        "umask": "002",
        "env": {"FROM_CONFIG": "yes"},
        "poll_interval": 1,
    }
    config = ClusterConfig.from_values("test", values)
    return Bench(config, run_dir, inherits=False, interpreter=str(testbed.python), whole_minutes=True)


BACKENDS: dict[str, Callable[[pytest.FixtureRequest, Path], Bench]] = {
    "local": local,
    "slurm": slurm,
    "slurm-ssh": slurm_ssh,
}
"""The other ones than ``local`` have the first word of their name as marker."""


def with_config(bench: Bench, **changes) -> Bench:
    """The same bench with other settings."""
    return replace(bench, config=replace(bench.config, **changes))


async def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        await asyncio.sleep(0.02)


async def ended(cluster: Cluster, token: str, seconds: float = 20.0) -> JobStatus:
    """The job's terminal status."""
    deadline = time.monotonic() + seconds
    while True:
        status = (await cluster.poll([token]))[token]
        if status.state.is_terminal:
            return status
        assert time.monotonic() < deadline, f"still {status}"
        await asyncio.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether no live process has this pid; a zombie is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] in (b"Z", b"X")
    except OSError:
        return True
