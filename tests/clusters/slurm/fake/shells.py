"""A shell whose scripts are the real ones and whose connection fails as it is told to."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections.abc import Callable, Sequence

from opencompass_ops.clusters.shell import Answer
from opencompass_ops.errors import LostError, UnreachableError
from tests.clusters.slurm.fake.processes import Process, Stage
from tests.clusters.slurm.fake.slurm import FakeSlurm

NOW = "now() { printf '%(%s)T' -1; }"
REACHED, UNREACHABLE, LOST_BEFORE, LOST_AFTER = "reached", "unreachable", "lost before it ran", "lost after it ran"


class LoginNode:
    """Where scripts run, each in a bash of its own; the fake cluster answers what they ask.

    :ivar running: what a reboot would kill.
    """

    def __init__(self, stage: Stage, slurm: FakeSlurm) -> None:
        self._stage, self._slurm = stage, slurm
        self.running: list[Process] = []

    async def run(self, script: str, arguments: Sequence[str], stdin: bytes) -> Answer | None:
        """Run a script to its end; None when the host went down meanwhile."""
        in_time = script.replace(NOW, f'now() {{ local now; read -r now < "{self._stage.clock}"; printf %s "$now"; }}')
        text = f"set -- {shlex.join(arguments)}\n{in_time}"
        files = [os.memfd_create(name) for name in ("stdin", "stdout", "stderr", "script")]
        try:
            os.pwrite(files[0], stdin, 0)
            os.pwrite(files[3], text.encode(errors="surrogateescape"), 0)
            argv = ["bash", "--noprofile", "--norc", "-p", f"/proc/{os.getpid()}/fd/{files[3]}"]
            code = await self._to_end(Process(self._stage, argv, self._stage.environment, files[:3]))
            return None if code is None else Answer(code, _content(files[1]), _content(files[2]))
        finally:
            for descriptor in files:
                os.close(descriptor)

    async def _to_end(self, process: Process) -> int | None:
        self.running.append(process)
        words = process.run()
        while words:
            reply = await self._slurm.answer(words, process)
            if process.returncode is not None:
                return None
            words = process.run(reply)
        self.running.remove(process)
        return process.returncode

    def reboot(self) -> None:
        """Every script ends where it is; what lies on disk stays."""
        for process in self.running:
            process.kill()
        self.running.clear()


class FakeShell:
    """One controller's connection: one script at a time, in order.

    :param fate: called before each script: what the connection does to it.
    """

    def __init__(self, login: LoginNode, fate: Callable[[], str]) -> None:
        self._login, self._fate = login, fate
        self._turn = asyncio.Lock()
        self.dead = False

    async def run(
        self, script: str, arguments: Sequence[str] = (), stdin: bytes = b"", *, timeout: float = 60.0
    ) -> Answer:
        """See :meth:`opencompass_ops.clusters.shell.Shell.run`."""
        async with self._turn:
            if self.dead:
                raise asyncio.CancelledError  # its controller was killed
            fate = self._fate()
            if fate == UNREACHABLE:
                raise UnreachableError("no connection")
            if fate == LOST_BEFORE:
                raise LostError("the connection ended")
            try:
                async with asyncio.timeout(timeout):
                    # What has begun is completed, whoever still listens.
                    answer = await asyncio.shield(asyncio.ensure_future(self._login.run(script, arguments, stdin)))
            except TimeoutError:
                raise LostError(f"no answer within {timeout:g} s") from None
            if answer is None or fate == LOST_AFTER:
                raise LostError("the connection ended")
            return answer

    run_aside = run

    async def close(self) -> None:
        """Nothing to end."""


def _content(descriptor: int) -> bytes:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
