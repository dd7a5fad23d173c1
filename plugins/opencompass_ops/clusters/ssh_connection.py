"""One established SSH connection and the streams on it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from weakref import WeakSet

import asyncssh

from opencompass_ops.clusters.connections import SshTarget
from opencompass_ops.clusters.framing import COMMAND
from opencompass_ops.clusters.ssh_options import explained, options

log = logging.getLogger(__name__)

_CHUNK_BYTES = 256 * 1024
_OPEN_SECONDS = 30.0
_CLOSE_SECONDS = 5.0


class SshConnection:
    """Made by :meth:`make`; once it is :attr:`over`, it is of no more use."""

    def __init__(self, ssh: asyncssh.SSHClientConnection, watch: _Watch) -> None:
        self._ssh = ssh
        self._watch = watch
        self._streams: WeakSet[SshStream] = WeakSet()

    @classmethod
    async def make(cls, name: str, target: SshTarget) -> SshConnection:
        """Connect and log in.

        :param name: of the connection, for the log and for errors.
        :raises UnreachableError: the node or its account cannot be reached.
        :raises ConfigError: a key cannot be read.
        """
        # An encrypted key takes a second of work, in which the event loop would stand still.
        chosen = await asyncio.to_thread(options, target)
        watch = _Watch(name)
        try:
            ssh = await asyncssh.connect(target.host, client_factory=lambda: watch, **chosen)
        except (OSError, asyncssh.Error, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise explained(name, target, error) from error
        return cls(ssh, watch)

    @property
    def over(self) -> bool:
        """Whether it was lost or closed."""
        return self._watch.over

    @property
    def lasted(self) -> float:
        """Seconds between login and end."""
        return self._watch.lasted

    async def open_stream(self) -> SshStream:
        """A channel with a bash on it.

        :raises OSError, asyncssh.Error: there was none; nothing ran.
        """
        opening = asyncio.ensure_future(
            self._ssh.create_process(" ".join(("exec", *COMMAND)), encoding=None, stderr=asyncssh.STDOUT)
        )
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                stream = SshStream(await asyncio.shield(opening))
        except TimeoutError:
            self._ssh.abort()  # a server that does not even refuse is gone
            raise
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unwanted)  # else it would count as one of the server's MaxSessions
            raise
        self._streams.add(stream)
        return stream

    @property
    def is_idle(self) -> bool:
        """Whether no stream is in use."""
        return all(stream.ended for stream in self._streams)

    def abort(self) -> None:
        """End it and all streams at once."""
        self._ssh.abort()

    async def close(self) -> None:
        """End it and all streams."""
        self._ssh.close()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._ssh.wait_closed()
        except TimeoutError:
            self._ssh.abort()


class SshStream:
    """One channel as a stream of bytes."""

    def __init__(self, process: asyncssh.SSHClientProcess[bytes]) -> None:
        self._process = process

    async def read(self) -> bytes:
        """Some bytes, b"" at the end; OSError when the connection was lost."""
        try:
            return await self._process.stdout.read(_CHUNK_BYTES)
        except asyncssh.Error as error:
            raise ConnectionResetError(str(error)) from error

    async def write(self, data: bytes) -> None:
        """Send all of it; OSError when the connection was lost."""
        try:
            for begin in range(0, len(data), _CHUNK_BYTES):
                self._process.stdin.write(data[begin : begin + _CHUNK_BYTES])
                await self._process.stdin.drain()
        except asyncssh.Error as error:
            raise ConnectionResetError(str(error)) from error

    @property
    def ended(self) -> bool:
        """Whether the channel is known to be closed."""
        return self._process.stdout.at_eof() or self._process.is_closing()

    def close(self) -> None:
        """Let go at once."""
        self._process.channel.abort()


class _Watch(asyncssh.SSHClient):
    """Notes when the connection began and ended."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._since: float | None = None
        self.over = False
        self.lasted = 0.0

    def auth_completed(self) -> None:
        self._since = asyncio.get_running_loop().time()

    def connection_lost(self, exc: Exception | None) -> None:
        self.over = True
        if self._since is not None:
            self.lasted = asyncio.get_running_loop().time() - self._since
            level = logging.WARNING if exc else logging.INFO
            log.log(level, "the connection to %s ended after %.0f s: %s", self._name, self.lasted, exc or "closed")


def _close_unwanted(opening: asyncio.Future[Any]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().channel.abort()
