"""Programs in, verdicts out: several at once, as many as this process has processors."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from inference.code_runs import Outcome, Program, Verdict
from inference.problems import InputProblem
from inference.sandbox import walls
from inference.sandbox.wire import BadFrame, Pipe

_START_SECONDS = 60.0
_OVERTIME_SECONDS = 30.0
_REPORT_BYTES = 1 << 16
_BUSY_SHARE = 0.8
"""A program that ran out of time and had less of the processor than this was held up by others."""


class ServerLostError(Exception):
    """A server ended while a pair of processes ran; the machine may be short of memory. Another try can go well."""

    retryable = True


@dataclass(frozen=True)
class Walls:
    """What holds for every program.

    :param wrapper: who made the namespaces: ``bubblewrap``, ``nsjail``, or "" for the server itself.
    :param namespaces: those that the server left itself.
    :param landlock: version of Landlock, 0 where the kernel has none.
    :param seccomp: whether system calls are filtered.
    :param allowed: what a trial from inside was not refused; empty in a sandbox that is one.
    """

    wrapper: str
    namespaces: tuple[str, ...]
    landlock: int
    seccomp: bool
    allowed: tuple[str, ...]

    def __str__(self) -> str:
        parts = [
            self.wrapper,
            f"namespaces {' '.join(self.namespaces)}" if self.namespaces else "",
            f"Landlock {self.landlock}" if self.landlock else "",
            "seccomp" if self.seccomp else "",
            "resource limits",
        ]
        return ", ".join(filter(None, parts))


class Sandbox:
    """Runs programs that models wrote.

    :param walls: what holds.
    :param workers: how many programs run at once.
    """

    def __init__(self, walls: Walls, workers: int | None = None) -> None:
        self.walls = walls
        self.workers = workers or len(os.sched_getaffinity(0))

    def run(self, programs: Sequence[Program], seconds: float) -> list[Verdict]:
        """What came of each program.

        One that ran out of time without having had the processor runs once more, alone.

        :param seconds: wall clock time of each.
        :raises ServerLostError: the sandbox itself broke down twice over a program.
        """
        found: dict[int, Ran] = {}
        self._run(found, programs, range(len(programs)), seconds, self.workers)
        starved = [number for number, ran in found.items() if ran.timed_out and ran.busy < _BUSY_SHARE * seconds]
        self._run(found, programs, starved, seconds, 1)
        return [found[number].verdict for number in range(len(programs))]

    def _run(
        self, found: dict[int, Ran], programs: Sequence[Program], wanted: Sequence[int], seconds: float, workers: int
    ) -> None:
        left, stopped = iter(wanted), threading.Event()
        lock = threading.Lock()

        def work() -> None:
            with closing(_Lasting(self.walls.wrapper)) as server:
                while not stopped.is_set():
                    with lock:
                        number = next(left, None)
                    if number is None:
                        return
                    found[number] = server.run(programs[number], seconds)

        with ThreadPoolExecutor(min(workers, len(wanted)) or 1) as threads:
            try:
                for future in [threads.submit(work) for _ in range(min(workers, len(wanted)))]:
                    future.result()
            finally:
                stopped.set()


def open_sandbox() -> Sandbox:
    """The strongest sandbox that this machine has.

    :raises InputProblem: none refuses everything that must be refused; says what was tried.
    """
    tried = []
    for wrapper in walls.wrappers():
        name = wrapper or "the kernel alone"
        try:
            with Server(wrapper) as server:
                if not server.walls.allowed:
                    return Sandbox(server.walls)
                tried.append(f"{name} ({server.walls}) refuses not: {', '.join(server.walls.allowed)}")
        except (ServerLostError, OSError) as error:
            tried.append(f"{name} does not start: {error}")
    raise InputProblem(
        "programs that models wrote are not run, because this machine has no sandbox for them. Tried: "
        f"{'; '.join(tried)}. Needed are seccomp (on x86_64 or aarch64) and either Landlock (Linux 5.13, and a "
        "container runtime that allows it) or bubblewrap where user namespaces are allowed. Install bubblewrap into "
        "the image, or name another eval_cluster; 'python -m inference sandbox' shows what a machine has"
    )


def main_sandbox() -> int:
    """Say what this machine has; 0 where programs can run."""
    try:
        sandbox = open_sandbox()
    except InputProblem as problem:
        print(problem)
        return 1
    print(f"programs run in a sandbox of {sandbox.walls}, {sandbox.workers} at once")
    return 0


@dataclass(frozen=True)
class Ran:
    """:param timed_out: whether it was ended because its time was over.
    :param busy: processor seconds of program and checker.
    """

    verdict: Verdict
    timed_out: bool
    busy: float


class _Lasting:
    """A server, and another one should it be lost."""

    def __init__(self, wrapper: str) -> None:
        self._wrapper = wrapper
        self._server = Server(wrapper)

    def run(self, program: Program, seconds: float) -> Ran:
        """:raises ServerLostError: the second one was lost over the same program."""
        try:
            return self._server.run(program, seconds)
        except ServerLostError:
            self._server.close()
            self._server = Server(self._wrapper)
            return self._server.run(program, seconds)

    def close(self) -> None:
        self._server.close()


class Server:
    """A fork server and the socket to it.

    :param wrapper: who makes its namespaces.
    :raises ServerLostError: it does not start.
    """

    def __init__(self, wrapper: str) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, tempfile.TemporaryDirectory(prefix="opencompass-ops-trial-") as folder:
            Path(folder).chmod(0o777)
            secret = Path(folder, "secret")
            secret.write_text("x")
            self._process = subprocess.Popen(
                walls.command(wrapper, str(secret)),
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=walls.ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
            theirs.close()
            try:
                self.walls = self._read_walls(wrapper)
            except BaseException:
                self.close()
                raise

    def _read_walls(self, wrapper: str) -> Walls:
        self._socket.settimeout(_START_SECONDS)
        said = self._receive()
        return Walls(
            wrapper,
            tuple(map(str, said["namespaces"])),
            int(said["landlock"]),
            bool(said["seccomp"]),
            tuple(map(str, said["allowed"])),
        )

    def run(self, program: Program, seconds: float) -> Ran:
        """Judge a program.

        :raises ServerLostError: the server ended.
        """
        self._socket.settimeout(seconds + _OVERTIME_SECONDS)
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._send({"seconds": seconds}, theirs.fileno())
            told = _ask(Pipe(ours.fileno()), program)
            said = self._receive()
        timed_out = told is None and bool(said["timed_out"])
        silent = Verdict(Outcome.TIMEOUT if timed_out else Outcome.FAILED, "" if timed_out else _SILENT)
        return Ran(told or silent, timed_out, float(said["busy"]))

    def _send(self, message: dict[str, Any], descriptor: int) -> None:
        try:
            socket.send_fds(self._socket, [json.dumps(message).encode()], [descriptor])
        except OSError as error:
            raise ServerLostError(f"the sandbox's server is gone: {error}") from error

    def _receive(self) -> dict[str, Any]:
        try:
            said = self._socket.recv(_REPORT_BYTES)
        except OSError as error:
            raise ServerLostError(f"the sandbox's server does not answer: {error}") from error
        if not said:
            raise ServerLostError(self._last_words())
        return json.loads(said)  # type: ignore[no-any-return]

    def _last_words(self) -> str:
        """What it wrote before it ended; nothing once it serves."""
        assert self._process.stderr is not None  # it was asked for
        self._process.kill()
        lines = self._process.stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "the sandbox's server ended"

    def close(self) -> None:
        """End it and all that it started."""
        self._socket.close()
        self._process.kill()
        self._process.wait()
        if self._process.stderr:
            self._process.stderr.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


_SILENT = "its test ended without a verdict"


def _ask(checker: Pipe, program: Program) -> Verdict | None:
    """What the checker says of the program; None when it ends without a word."""
    try:
        checker.send(asdict(program))
        said = checker.receive()
        return Verdict(Outcome(said["outcome"]), str(said["message"]))
    except (OSError, EOFError, BadFrame):
        return None
