"""Daemons in sessions of their own, known by pid and start time."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from cluster.programs import find
from opencompass_ops.clusters.processes import ProcessId


class Daemons:
    """Started from here, or by the process whose records lie in ``pids``.

    :param pids: one file for each daemon that was started and not stopped.
    :param logs: ``NAME.out`` gets what a daemon prints.
    :param environment: all that the daemons find in theirs.
    """

    def __init__(self, pids: Path, logs: Path, environment: Mapping[str, str]) -> None:
        self._pids = pids
        self._logs = logs
        self._environment = environment
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def started(self) -> set[str]:
        """Names of the daemons that were started and not stopped; some may have died."""
        return {path.stem for path in self._pids.glob("*.json")}

    @property
    def alive(self) -> dict[str, int]:
        """Name -> pid of the daemons that run."""
        known = {name: self.find(name) for name in self.started}
        return {name: process.pid for name, process in sorted(known.items()) if process and process.is_alive()}

    def find(self, name: str) -> ProcessId | None:
        """Which process the daemon was started as; it may have ended."""
        try:
            return ProcessId(**json.loads((self._pids / f"{name}.json").read_text()))
        except FileNotFoundError:
            return None

    def start(self, name: str, argv: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a daemon that stays in the foreground.

        :param environment: more variables for this one.
        :raises RuntimeError: it runs already.
        """
        if name in self.alive:
            raise RuntimeError(f"{name} runs already as pid {self.alive[name]}")
        with (self._logs / f"{name}.out").open("ab") as log:
            child = subprocess.Popen(
                [find(argv[0]) or argv[0], *argv[1:]],
                env={**self._environment, **(environment or {})},
                cwd=self._logs,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._children[name] = child
        record = self._pids / f"{name}.json"
        record.write_text(json.dumps(asdict(ProcessId.of(child.pid))))

    def send(self, name: str, signum: signal.Signals) -> None:
        """Send a signal, and wait for the end after one that ends it at once.

        :raises RuntimeError: it does not run.
        """
        process = self.find(name)
        if process is None or not process.is_alive():
            raise RuntimeError(f"{name} does not run; alive are {', '.join(self.alive) or 'none'}")
        process.send(signum)
        if signum == signal.SIGKILL:
            wait_until(f"{name} is gone", lambda: not process.is_alive(), seconds=10)
            self._reap(name)

    def stop(self, name: str, seconds: float = 10) -> None:
        """Ask the daemon to end, make it after ``seconds``, forget it; nothing happens when it is gone."""
        process = self.find(name)
        if process is None:
            return
        process.send(signal.SIGTERM)
        process.send(signal.SIGCONT)  # a stopped one could not act on it
        try:
            wait_until(f"{name} is gone", lambda: not process.is_alive(), seconds=seconds)
        except TimeoutError:
            process.send(signal.SIGKILL)
        self._reap(name)
        (self._pids / f"{name}.json").unlink()

    def _reap(self, name: str) -> None:
        child = self._children.pop(name, None)
        if child is not None:
            child.wait()


def wait_until(what: str, is_so: Callable[[], bool], seconds: float) -> None:
    """Return once ``is_so()``.

    :raises TimeoutError: not within ``seconds``; the message says what was waited for.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(0.02)
