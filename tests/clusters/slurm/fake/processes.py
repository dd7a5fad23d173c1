"""Bash processes of which one runs at a time: each runs until it ends or asks the fake cluster something.

So every interleaving is the test's choice, and the same every time.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

COMMANDS = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "flock", "python")
_STUCK_SECONDS = 60


@dataclass(frozen=True)
class Reply:
    """What a command prints and returns."""

    code: int = 0
    out: str = ""
    err: str = ""


class Stage:
    """Where the processes are: commands for their PATH, the port that those ask, and a clock.

    :param now: seconds since 1970, as the processes are to see it.
    """

    def __init__(self, folder: Path, now: Callable[[], float]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.commands = folder / "commands"
        self.commands.mkdir(parents=True)
        self._conf, self.clock, self._now = folder / "slurm.conf", folder / "clock", now
        self._conf.write_text(f"{self.listener.getsockname()[1]}\n")
        for name in COMMANDS:
            (self.commands / name).symlink_to(Path(__file__).with_name("tool.sh"))
        (self.commands / "real-flock").symlink_to(str(shutil.which("flock")))
        self.environment = {
            "PATH": f"{self.commands}:{os.environ['PATH']}",
            "HOME": str(folder),
            "TZ": "UTC",
            "SLURM_CONF": str(self._conf),
        }

    def close(self) -> None:
        """Nobody is answered any more."""
        self.listener.close()

    def tick(self) -> None:
        """Show the present time to whoever runs next."""
        self.clock.write_text(f"{self._now():.0f}\n")


class Process:
    """One process and what it started.

    :param files: stdin, stdout and stderr.
    """

    def __init__(
        self, stage: Stage, argv: Sequence[str], environment: Mapping[str, str], files: Sequence[IO[Any] | int]
    ) -> None:
        self._stage = stage
        self._question: socket.socket | None = None
        stage.tick()
        stdin, stdout, stderr = files
        self._popen = subprocess.Popen(
            argv,
            env=dict(environment),
            cwd=environment["HOME"],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
        self._end = os.pidfd_open(self._popen.pid)

    @property
    def returncode(self) -> int | None:
        """None while it lives; negative for a signal."""
        return self._popen.returncode

    def run(self, reply: Reply | None = None) -> list[str] | None:
        """Let it run.

        :param reply: to what it asked last.
        :returns: the command that it asks with now, or None at its end.
        """
        self._stage.tick()
        if reply and self._question:
            with self._question as question:
                question.sendall(f"{reply.out}\0{reply.err}\0{reply.code}\n".encode())
            self._question = None
        ready, _, _ = select.select([self._stage.listener, self._end], [], [], _STUCK_SECONDS)
        if self._stage.listener in ready:
            self._question, _ = self._stage.listener.accept()
            return _words(self._question)
        if not ready:
            self.kill()
            raise RuntimeError(f"a process neither asked nor ended: {self._popen.args}")
        self._ended()
        return None

    def terminate(self) -> None:
        """SIGTERM to the process itself, as ``--signal=B:TERM`` and scancel do; it runs to its end."""
        self._popen.send_signal(signal.SIGTERM)
        self.run()

    def kill(self) -> None:
        """SIGKILL to all of it."""
        if self._popen.returncode is None:
            os.killpg(self._popen.pid, signal.SIGKILL)
            self._ended()

    def _ended(self) -> None:
        self._popen.wait()
        if self._question:
            self._question.close()
            self._question = None
        if self._end >= 0:
            os.close(self._end)
            self._end = -1


def _words(question: socket.socket) -> list[str]:
    """The command and its arguments: their number in a line, then each with NUL."""
    data = bytearray()
    while b"\n" not in data or data.count(b"\0") < int(data.partition(b"\n")[0]):
        some = question.recv(65536)
        if not some:
            break
        data += some
    return data.partition(b"\n")[2].decode(errors="surrogateescape").split("\0")[:-1]
