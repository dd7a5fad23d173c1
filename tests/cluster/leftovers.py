"""What outlives the daemons of a testbed: sessions, job steps, jobs' processes, cgroups."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from cluster.blueprint import CGROUPS, Blueprint
from cluster.daemons import wait_until
from opencompass_ops.clusters.processes import ProcessId

_SLURM = ("slurmstepd", "slurmd", "slurmctld", "slurmdbd")


def sessions(bed: Blueprint) -> list[ProcessId]:
    """The sshd processes of open connections; they outlive the one that listens."""
    found = set()
    for connection in psutil.net_connections("tcp4"):
        is_ours = connection.laddr and connection.laddr[1] == bed.ports.ssh
        if is_ours and connection.status == psutil.CONN_ESTABLISHED and connection.pid:
            with suppress(OSError):
                found.add(ProcessId.of(connection.pid))
    return list(found)


def strays(bed: Blueprint) -> list[ProcessId]:
    """Slurm's processes and jobs' processes that were started with this testbed's slurm.conf."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            environment = process.environ()
            is_ours = environment.get("SLURM_CONF") == str(bed.slurm_conf)
            if is_ours and (process.name() in _SLURM or "SLURM_JOB_ID" in environment):
                found.append(ProcessId.of(process.pid))
    return found


def end(processes: Iterable[ProcessId]) -> None:
    """Kill them and wait until they are gone."""
    processes = list(processes)
    for process in processes:
        process.send(signal.SIGKILL)
    wait_until("processes are gone", lambda: not any(process.is_alive() for process in processes), seconds=10)


def remove_cgroups(bed: Blueprint) -> None:
    """Remove the empty cgroups that the nodes leave behind."""
    for node in bed.nodes:
        for top in CGROUPS.glob(f"*/slurm_{node}"):
            for folder in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
                _rmdir(folder)
            _rmdir(top)


def _rmdir(folder: Path) -> None:
    with suppress(OSError):  # somebody's process is in it
        folder.rmdir()
