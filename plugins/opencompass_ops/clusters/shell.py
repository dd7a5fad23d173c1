"""Run scripts where a cluster's commands are, over one connection or in a local process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from opencompass_ops.clusters.framed import FramedShell, Line
from opencompass_ops.clusters.framing import Answer
from opencompass_ops.clusters.local_line import LocalLine

__all__ = ["Answer", "Shell", "close_shells", "run_to_end", "shell_for"]

Result = TypeVar("Result")


class Shell(Protocol):
    """A place to run bash scripts, one after the other; calls from many coroutines queue in order.

    A script runs under ``bash --noprofile --norc`` in the account's home directory with umask 077.
    Signals HUP and PIPE are ignored, so what it began is completed though the connection ends; what it
    leaves in the background runs on.
    """

    async def run(
        self, script: str, arguments: Sequence[str] = (), stdin: bytes = b"", *, timeout: float = 60.0
    ) -> Answer:
        """Run ``script`` and wait for its end.

        :param arguments: the script's ``$1``, ``$2`` ...; any text without NUL.
        :param timeout: seconds, from its turn in the queue, until the answer counts as lost.
        :raises UnreachableError: no connection could be made; nothing ran.
        :raises LostError: the connection ended or the time was over; the script may have run, or run still.
        """
        ...

    async def run_aside(
        self, script: str, arguments: Sequence[str] = (), stdin: bytes = b"", *, timeout: float = 600.0
    ) -> Answer:
        """Like :meth:`run`, but beside the queue, four at once: for bulk data and for what takes minutes."""
        ...

    async def close(self) -> None:
        """End the connection; the next call makes a new one."""
        ...


_shells: dict[asyncio.AbstractEventLoop, dict[str, Shell]] = {}


def shell_for(connection_id: str) -> Shell:
    """The one shell of this event loop for a connection; nothing is contacted yet.

    :param connection_id: an Airflow connection or a host of ``~/.ssh/config``; "" for this host itself.
    """
    for loop in [loop for loop in _shells if loop.is_closed()]:
        del _shells[loop]  # a shell knows its loop, so weak references would keep both for ever
    shells = _shells.setdefault(asyncio.get_running_loop(), {})
    if connection_id not in shells:
        shells[connection_id] = FramedShell(_line(connection_id))
    return shells[connection_id]


async def close_shells() -> None:
    """End every connection of this event loop; for whoever ends the loop."""
    for shell in _shells.pop(asyncio.get_running_loop(), {}).values():
        await shell.close()


def run_to_end(main: Coroutine[Any, Any, Result]) -> Result:
    """``asyncio.run`` for whoever has no event loop: no connection outlives it."""

    async def whole() -> Result:
        try:
            return await main
        finally:
            await close_shells()

    return asyncio.run(whole())


def _line(connection_id: str) -> Line:
    if not connection_id:
        return LocalLine()
    # asyncssh takes a while to import, and a local cluster does without it.
    from opencompass_ops.clusters.ssh import SshLine

    return SshLine(connection_id)
