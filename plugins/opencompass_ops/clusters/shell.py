"""Run scripts where a cluster's commands are, over one connection or in a local process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Answer:
    """What a script that ended left behind.

    :param returncode: of the script; 128 + N when signal N ended it.
    """

    returncode: int
    stdout: bytes
    stderr: bytes


class Shell(Protocol):
    """A place to run bash scripts, one after the other; calls from many coroutines queue in order."""

    async def run(
        self, script: str, arguments: Sequence[str] = (), stdin: bytes = b"", *, timeout: float = 60.0
    ) -> Answer:
        """Run ``script`` under ``bash --noprofile --norc`` and wait for its end.

        :param arguments: the script's ``$1``, ``$2`` ...; any text without NUL.
        :param timeout: seconds until the answer counts as lost.
        :raises UnreachableError: no connection could be made; nothing ran.
        :raises LostError: the connection ended or the time was over; the script may have run, or run still.
        """
        ...

    async def close(self) -> None:
        """End the connection; the next call makes a new one."""
        ...
