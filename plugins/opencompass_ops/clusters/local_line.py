"""The management node itself: bash in a local process, no connection."""

from __future__ import annotations

import asyncio
import os
import socket

from opencompass_ops.clusters.environment import inherited
from opencompass_ops.clusters.framed import Stream
from opencompass_ops.clusters.framing import COMMAND
from opencompass_ops.errors import UnreachableError

_CHUNK_BYTES = 256 * 1024


class LocalLine:
    """Streams to bash processes of this host and user."""

    name = "this host"

    async def open(self) -> Stream:
        """Start a bash that outlives this process as long as a script of its own runs.

        :raises UnreachableError: it could not be started.
        """
        ours, its = socket.socketpair()
        try:
            with its:
                await _start(its.fileno())
            return _SocketStream(*await asyncio.open_connection(sock=ours))
        except OSError as error:
            ours.close()
            raise UnreachableError(f"cannot start bash on this host: {error}") from error
        except BaseException:
            ours.close()
            raise

    async def close(self) -> None:
        """Nothing to end: every stream is a process of its own."""


class _SocketStream:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        return await self._reader.read(_CHUNK_BYTES)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    @property
    def ended(self) -> bool:
        return self._reader.at_eof() or self._writer.is_closing()

    def close(self) -> None:
        self._writer.transport.abort()


async def _start(end: int) -> None:
    # setsid: no signal of our terminal reaches it, and it is nobody's child, so nobody kills it:
    # it ends by itself when the socket does.
    starter = await asyncio.create_subprocess_exec(
        "setsid", "--fork", *COMMAND, stdin=end, stdout=end, stderr=end, env=_environment()
    )
    await starter.wait()


def _environment() -> dict[str, str]:
    slurm = {name: value for name, value in os.environ.items() if name == "SLURM_CONF"}
    return {**inherited(os.environ), **slurm}
