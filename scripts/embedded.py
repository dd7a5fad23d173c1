"""A whole Airflow on this machine: four components, SQLite, loopback only, gone when it is left."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

from scripts.airflow_home import ROOT, USER, Home, prepare
from scripts.airflow_rest import AirflowRest

# The log servers of scheduler and triggerer have fixed ports, and all components share one log folder.
COMPONENTS = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
STOP_SECONDS = 15
KILL_SECONDS = 90  # a triggerer that is told to end gives its triggers back first; on a busy machine that takes a while


class EmbeddedAirflow:
    """Context manager: on entry everything runs and is healthy, on exit no process is left.

    :param home: AIRFLOW_HOME; kept, so that a second start finds the runs of the first.
    :param dags: folder with the DAG files.
    :param plugins: folder with the plugin or its shim.
    :param port: of web UI and API; 0 takes a free one.
    :param env: variables added to every component, e.g. ``AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC``.
    :param cache: folder for the migrated database that new homes start from.
    """

    def __init__(
        self,
        home: Path,
        *,
        dags: Path = ROOT / "dags",
        plugins: Path = ROOT / "plugins",
        port: int = 0,
        env: dict[str, str] | None = None,
        cache: Path = ROOT / ".cache",
    ) -> None:
        self.home = Home(home.absolute(), dags.absolute(), plugins.absolute(), port or _free_port())
        self.user = USER
        self.password = ""
        self.rest: AirflowRest
        self._env = self.home.environment(env)
        self._cache = cache.absolute()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = -1

    @property
    def url(self) -> str:
        """Base address of web UI and API."""
        return self.home.url

    @property
    def pids(self) -> dict[str, int]:
        """Live component -> pid, which is also its session."""
        return {name: process.pid for name, process in self._processes.items() if process.poll() is None}

    def __enter__(self) -> EmbeddedAirflow:
        self._lock = _lock(self.home.folder)
        try:
            _refuse_busy(self.home.port)
            self.password = prepare(self.home, self._cache)
            self.rest = AirflowRest(self.url, self.user, self.password)
            for component in COMPONENTS:
                self.start(component)
            self.wait_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, component: str, name: str = "") -> int:
        """Start ``component`` (a key of COMPONENTS) in a session of its own; returns its pid.

        :param name: what to call it, for a second one such as ``triggerer-2``.
        :raises ValueError: one of that name is alive.
        """
        name = name or component
        if name in self.pids:
            raise ValueError(f"{name} is alive as pid {self.pids[name]}; give the second one another name")
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "airflow", *COMPONENTS[component]],
                env=self._env,
                cwd=ROOT,  # where relative folders of a request start
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=(self._lock,),  # whatever outlives us keeps the home locked
            )
        return self._processes[name].pid

    def kill(self, name: str, signum: signal.Signals = signal.SIGKILL) -> None:
        """Send ``signum`` to every process of a component and wait until they are gone.

        :raises TimeoutError: one of them is there after ``KILL_SECONDS``.
        """
        signal_session(self._processes[name].pid, signum)
        if not self._is_gone([self._processes[name]], KILL_SECONDS):
            raise TimeoutError(f"{name} still runs {KILL_SECONDS} s after {signum.name}: {self._tail(name)}")

    def wait_healthy(self, timeout: float = 180) -> None:
        """Return once every component says that it is healthy.

        :raises RuntimeError: a component ended; the message holds the end of its log.
        :raises TimeoutError: not healthy within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        health: dict[str, str] = {}
        while time.monotonic() < deadline:
            if dead := set(self._processes) - set(self.pids):
                raise RuntimeError("\n".join(f"{name} ended: {self._tail(name)}" for name in sorted(dead)))
            health = self.rest.health()
            if health and all(status == "healthy" for status in health.values()):
                return
            time.sleep(0.25)
        raise TimeoutError(f"Airflow is not healthy after {timeout:.0f} s: {health}; see {self.home.logs}")

    def stop(self) -> None:
        """Ask every component to end, then make sure that none of their processes is left."""
        for signum in (signal.SIGTERM, signal.SIGKILL):
            for process in self._processes.values():
                signal_session(process.pid, signum)
            self._is_gone(list(self._processes.values()), STOP_SECONDS)
        self._processes.clear()
        if hasattr(self, "rest"):
            self.rest.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _is_gone(self, components: list[subprocess.Popen[bytes]], seconds: float) -> bool:
        """Whether the components and everything in their sessions disappear within a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            ended = [process.poll() is not None for process in components]  # reaps them
            if all(ended) and not any(_session(process.pid) for process in components):
                return True
            time.sleep(0.1)
        return False

    def _log(self, name: str) -> Path:
        return self.home.logs / f"{name}.log"

    def _tail(self, name: str) -> str:
        return self._log(name).read_text(errors="replace")[-2000:]


def _lock(folder: Path) -> int:
    """Hold the home; the components inherit the lock and keep it as long as one of them lives.

    :raises RuntimeError: another Airflow uses this home.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 64).decode() or "?"
        os.close(handle)
        raise RuntimeError(
            f"an Airflow already runs in {folder}, started by process {holder}; use its web page, or stop it first"
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def _refuse_busy(port: int) -> None:
    """:raises RuntimeError: something listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise RuntimeError(f"port {port} cannot be used ({error}); choose another one: PORT={port + 1}") from error


def _free_port() -> int:
    """A port of loopback that nothing uses right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _session(leader: int) -> list[int]:
    """Live pids of a component: a task runs in a process group of its own, but in its component's session."""
    found = []
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def signal_session(leader: int, signum: signal.Signals) -> None:
    """Send ``signum`` to every process of a component, not to the jobs that it started.

    :param leader: the component's pid.
    """
    for pid in _session(leader):
        with suppress(ProcessLookupError):
            os.kill(pid, signum)
