"""One SSH connection per login node, made when it is needed and made again, without haste, when it was lost."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque

import asyncssh

from opencompass_ops.clusters.connections import resolve
from opencompass_ops.clusters.framed import Stream
from opencompass_ops.clusters.ssh_connection import SshConnection
from opencompass_ops.errors import OpsError, UnreachableError

log = logging.getLogger(__name__)

# Longest pauses, in seconds, before a refused channel is asked for again: sessions that are just closing count.
_CHANNEL_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0
_STABLE_SECONDS = 60.0
_HOUR_SECONDS = 3600.0
_MANY_PER_HOUR = 30  # sites ban accounts for connection storms


class SshLine:
    """Streams to bash processes on a login node, all on one connection.

    :param connection_id: what :func:`~opencompass_ops.clusters.connections.resolve` knows.
    """

    def __init__(self, connection_id: str) -> None:
        self.name = connection_id
        self.connections_made = 0
        self._attempt: asyncio.Task[SshConnection] | None = None
        self._failures = 0
        self._attempts: deque[float] = deque()

    async def open(self) -> Stream:
        """A new channel with a bash on it.

        :raises UnreachableError: no connection, or the server opens no channel; nothing ran.
        :raises ConfigError: the connection is not defined as it should be.
        """
        for pause in _CHANNEL_PAUSES:
            connection = await self._connection()
            try:
                return await connection.open_stream()
            except (OSError, asyncssh.Error) as error:  # nothing ran
                refusal = error
            await asyncio.sleep(_jitter(pause))
        if connection.is_idle:
            # Sessions that we gave up hold it: scripts that hang there. A new connection has room again.
            connection.abort()
        raise UnreachableError(
            f"{self.name}: the server opens no more channels: {refusal}; its MaxSessions must be at least 5"
        ) from refusal

    async def close(self) -> None:
        """End the connection and all streams."""
        attempt, self._attempt = self._attempt, None
        if attempt is None:
            return
        attempt.cancel()
        await asyncio.wait([attempt])
        if connection := _made(attempt):
            await connection.close()

    async def _connection(self) -> SshConnection:
        """The connection; whoever comes while one is being made waits for that one, and gets its error."""
        attempt = self._attempt
        if attempt is None or (attempt.done() and not _is_alive(attempt)):
            lost = _made(attempt) if attempt else None
            attempt = asyncio.create_task(self._connect(lost), name=f"connect {self.name}")
            attempt.add_done_callback(_made)  # its error counts as seen, though all who waited are gone
            self._attempt = attempt
        await asyncio.wait([attempt])
        if attempt.cancelled():
            raise UnreachableError(f"{self.name}: closed while connecting")
        return attempt.result()

    async def _connect(self, lost: SshConnection | None) -> SshConnection:
        if lost:
            # One that breaks soon, again and again, is no better than none.
            self._failures = 0 if lost.lasted >= _STABLE_SECONDS else self._failures + 1
        await asyncio.sleep(self._pause())
        target = await resolve(self.name)
        self._count()
        try:
            connection = await SshConnection.make(self.name, target)
        except OpsError:
            self._failures += 1
            raise
        self.connections_made += 1
        log.info("connected to %s (%s), the %d. time", self.name, target.where, self.connections_made)
        return connection

    def _pause(self) -> float:
        """Seconds before the next attempt: any time up to a limit that doubles with each failure."""
        if not self._failures:
            return 0.0
        return _jitter(min(_FIRST_PAUSE_SECONDS * 2.0 ** (self._failures - 1), _LONGEST_PAUSE_SECONDS))

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        self._attempts.append(now)
        while self._attempts[0] < now - _HOUR_SECONDS:
            self._attempts.popleft()
        if len(self._attempts) > _MANY_PER_HOUR:
            log.warning(
                "%d connections to %s within an hour; sites ban accounts for that", len(self._attempts), self.name
            )


def _jitter(longest: float) -> float:
    return random.uniform(0, longest)  # noqa: S311  # not a secret


def _made(attempt: asyncio.Task[SshConnection]) -> SshConnection | None:
    return None if attempt.cancelled() or attempt.exception() else attempt.result()


def _is_alive(attempt: asyncio.Task[SshConnection]) -> bool:
    connection = _made(attempt)
    return connection is not None and not connection.over
