"""A real Slurm with sshd on loopback: up in seconds, every daemon can be stopped and killed, nothing is left."""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from cluster import accounts, leftovers, programs, settings
from cluster.blueprint import Blueprint, Options
from cluster.daemons import Daemons, wait_until
from cluster.interpreter import python_for
from cluster.prepare import prepare
from cluster.programs import slurmd
from opencompass_ops.clusters.processes import ProcessId

PLAIN = {"PATH": programs.PATH, "LANG": "C.UTF-8"}
UP_SECONDS = 60


class Testbed:
    """One cluster; :meth:`up` makes a new one, :meth:`of` finds one that another process brought up."""

    __test__ = False  # no test class, whatever its name says

    def __init__(self, bed: Blueprint) -> None:
        self.bed = bed
        self.environment: Mapping[str, str] = PLAIN | {"SLURM_CONF": str(bed.slurm_conf)}
        self.daemons = Daemons(bed.folder / "pids", bed.logs, self.environment)

    @classmethod
    def of(cls, folder: Path) -> Testbed:
        """The testbed in this folder.

        :raises FileNotFoundError: there is none.
        """
        return cls(Blueprint.read(folder))

    @classmethod
    def up(cls, folder: Path, options: Options | None = None, owner: ProcessId | None = None) -> Testbed:
        """Bring up a new testbed in ``folder``, which is empty or absent; everybody must be able to reach it.

        :param owner: the process whose end is the testbed's end, see :func:`sweep`.
        :raises RuntimeError: it did not come up; what had started is gone again, its logs stay.
        """
        testbed = cls(Blueprint.draw(folder, options or Options(), owner))
        try:
            prepare(testbed.bed)
            testbed._start_all()
        except BaseException as error:
            testbed.down(keep=True)
            if isinstance(error, Exception):
                raise RuntimeError(f"the testbed did not come up: {error}; its logs are in {folder}/log") from error
            raise
        return testbed

    def down(self, *, keep: bool = False) -> None:
        """Stop everything, remove accounts and folder; a second call does nothing.

        :param keep: leave the folder with the logs.
        """
        record = self.bed.folder / "bed.json"
        if not record.exists():
            return
        with suppress(RuntimeError, subprocess.TimeoutExpired):
            self.cancel_jobs()
        sessions = leftovers.sessions(self.bed)
        for name in ("sshd", *map(slurmd, self.bed.nodes), "slurmctld", "slurmdbd", "mariadbd", "munged"):
            self.daemons.stop(name)
        leftovers.end(sessions)
        leftovers.end(leftovers.strays(self.bed))
        accounts.remove(self.bed)
        leftovers.remove_cgroups(self.bed)
        record.unlink()
        if not keep:
            shutil.rmtree(self.bed.folder)

    # what a test needs to know

    @property
    def user(self) -> str:
        """The first user."""
        return self.bed.users[0]

    @property
    def python(self) -> Path:
        """A Python that the users can run, with the packages that this one has.

        :raises RuntimeError: the users cannot read those packages; the message says which folder.
        """
        return python_for(self.bed)

    @property
    def shared(self) -> Path:
        """The folder that the control side and the jobs share; what is made in it belongs to the users' group."""
        return self.bed.shared

    @property
    def sshd_log(self) -> Path:
        """sshd's log."""
        return self.bed.logs / "sshd.out"

    @property
    def slurmctld_log(self) -> Path:
        """The controller's log."""
        return self.bed.logs / "slurmctld.log"

    @property
    def connections(self) -> int:
        """How many SSH connections sshd accepted so far, those of the testbed itself included."""
        return self.sshd_log.read_text(errors="replace").count("Accepted publickey")

    def airflow_connection(self, user: int = 0) -> dict[str, Any]:
        """The fields of an Airflow connection, whose JSON ``AIRFLOW_CONN_*`` takes.

        :param user: which of the testbed's users logs in.
        """
        return {
            "conn_type": "ssh",
            "host": "127.0.0.1",
            "port": self.bed.ports.ssh,
            "login": self.bed.users[user],
            "extra": {
                "key_file": str(self.bed.ssh / "user_key"),
                "known_hosts": str(self.bed.ssh / "known_hosts"),
                "host_key": settings.host_key((self.bed.ssh / "host_key.pub").read_text()),
            },
        }

    # commands

    def run(self, *argv: str, stdin: str = "", timeout: float = 60) -> str:
        """What a command of the cluster's administrator prints: squeue, scontrol, sacctmgr ...

        :param timeout: seconds.
        :raises RuntimeError: it failed; the message holds what it wrote to stderr.
        """
        return programs.output(argv, self.environment, stdin=stdin, timeout=timeout)

    def ssh(self, *argv: str, stdin: str = "", timeout: float = 60) -> str:
        """What a command prints that the first user runs over an SSH connection of its own.

        :raises RuntimeError: it failed; the message holds what it wrote to stderr.
        """
        login = ["ssh", "-F", str(self.bed.ssh / "config"), settings.SSH_HOST, shlex.join(argv)]
        return programs.output(login, PLAIN, stdin=stdin, timeout=timeout)

    def make_folder(self, name: str) -> Path:
        """A new folder below ``shared`` to which control side and jobs may both write."""
        folder = self.shared / name
        folder.mkdir()
        folder.chmod(0o2775)
        return folder

    def cancel_jobs(self) -> None:
        """Cancel every job and wait until none is left on a node.

        :raises RuntimeError: the controller does not answer.
        """
        self.run("scancel", "--quiet", *(f"--user={user}" for user in self.bed.users), timeout=10)
        self.run("scancel", "--quiet", "--signal=KILL", "--full", *(f"--user={user}" for user in self.bed.users))
        wait_until("the jobs are gone", lambda: not self.run("squeue", "-h", "-t", "R,CG,S", timeout=10), seconds=10)

    def is_idle(self) -> bool:
        """Whether every node is ready and runs nothing."""
        states = self.run("sinfo", "--noheader", "--Node", "--partition=gpu", "--format=%T", timeout=10)
        return states.split() == ["idle"] * len(self.bed.nodes)

    # faults

    def wait_saved(self) -> None:
        """Wait until the controller has written down its jobs: killed earlier, it forgets what it accepted last.

        A job that it knows gets a mark: what its file says of it then says the rest too.
        """
        mark = uuid.uuid4().hex
        job = self.run("squeue", "--noheader", "--format=%A").split()[0]
        self.run("scontrol", "update", f"JobId={job}", f"AdminComment={mark}")
        saved = self.bed.folder / "slurmctld" / "job_state"
        wait_until("the jobs are saved", lambda: mark.encode() in saved.read_bytes(), UP_SECONDS)

    def wait_controller(self) -> None:
        """Wait until the controller answers.

        :raises RuntimeError: it does not; the message holds the end of its log.
        """
        try:
            self._wait("slurmctld answers", "sinfo")
        except (RuntimeError, TimeoutError) as error:
            told = self.slurmctld_log.read_text(errors="replace") if self.slurmctld_log.exists() else ""
            raise RuntimeError(f"{error}; {told[-3000:]}" if told else str(error)) from error

    def start(self, name: str) -> None:
        """Start a daemon again: munged, mariadbd, slurmdbd, slurmctld, sshd, slurmd-NODE."""
        argv, environment = programs.daemon(self.bed, name)
        self.daemons.start(name, argv, environment)

    def send(self, name: str, signum: signal.Signals) -> None:
        """Send a signal to a daemon; after SIGKILL it is gone when this returns."""
        self.daemons.send(name, signum)

    def preempt(self, nodes: Iterable[str]) -> None:
        """Take nodes for a moment, for a job that shares them with nobody and may chase others away."""
        for node in nodes:
            self.run("sbatch", "--exclusive", f"--nodelist={node}", "--output=/dev/null", "--wrap=sleep 1")

    def kill_node(self, node: str) -> None:
        """Let a node die; its jobs fail after ``slurmd_timeout`` seconds, while their processes run on."""
        self.send(slurmd(node), signal.SIGKILL)

    def cut_connections(self) -> int:
        """Cut every open SSH connection; returns how many processes served them."""
        sessions = leftovers.sessions(self.bed)
        leftovers.end(sessions)
        return len(sessions)

    # the way up

    def _start_all(self) -> None:
        self.start("munged")
        self._wait("munge answers", "munge", f"--socket={self.bed.munge_socket}", "--no-input")
        if self.bed.options.accounting == "slurmdbd":
            self._start_accounting()
        for name in ("slurmctld", *map(slurmd, self.bed.nodes), "sshd"):
            self.start(name)
        self.wait_controller()
        wait_until("all nodes are idle", self.is_idle, UP_SECONDS)
        # one key type, so one connection: MaxStartups may be that small
        self._wait("sshd answers", "ssh-keyscan", "-t", "ed25519", "-p", str(self.bed.ports.ssh), "127.0.0.1")

    def _start_accounting(self) -> None:
        self.run(*programs.install_database(self.bed))
        self.start("mariadbd")
        self._wait("MariaDB answers", *programs.query(self.bed, "create database slurm"))
        self.start("slurmdbd")
        self._wait("slurmdbd answers", "sacctmgr", "-n", "show", "cluster")
        orders = [f"add cluster {self.bed.name}", "add account research Description=x Organization=x"]
        orders += [f"add user {user} Account=research" for user in self.bed.users]
        self.run("sacctmgr", "-i", stdin="".join(f"{order}\n" for order in orders))

    def _wait(self, what: str, *argv: str) -> None:
        """Wait until a command succeeds, but not for a daemon that has ended."""

        def answers() -> bool:
            if dead := self.daemons.started - self.daemons.alive.keys():
                raise RuntimeError(f"{', '.join(sorted(dead))} ended")
            with suppress(RuntimeError, subprocess.TimeoutExpired):
                self.run(*argv, timeout=10)
                return True
            return False

        wait_until(what, answers, UP_SECONDS)


def sweep(folders: Iterable[Path]) -> list[Path]:
    """Take down the testbeds whose owner is gone, e.g. killed tests; returns their folders."""
    swept = []
    for folder in folders:
        with suppress(FileNotFoundError):
            bed = Blueprint.read(folder)
            if bed.owner is not None and not bed.owner.is_alive():
                Testbed(bed).down()
                swept.append(folder)
    return swept
