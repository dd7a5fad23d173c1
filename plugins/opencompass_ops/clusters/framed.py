"""A shell whose scripts and answers are frames on one long-lived stream."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import closing
from typing import Protocol

from opencompass_ops.clusters.framing import Answer, Decoder, frame, opening
from opencompass_ops.errors import LostError, UnreachableError

_GREETING_SECONDS = 60.0
_ASIDE_AT_ONCE = 4  # beside the one for all; sshd allows 10, and fewer while others are just closing


class Stream(Protocol):
    """Bytes to and from a process that runs :data:`~opencompass_ops.clusters.framing.COMMAND`."""

    async def read(self) -> bytes:
        """Some bytes, b"" at the end; OSError when the other side is gone."""
        ...

    async def write(self, data: bytes) -> None:
        """Send all of it; OSError when the other side is gone."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the other side is known to be gone."""
        ...

    def close(self) -> None:
        """Let go at once; what runs on the other side runs on."""
        ...


class Line(Protocol):
    """What streams come from: one host, reached in one way."""

    name: str

    async def open(self) -> Stream:
        """A new stream.

        :raises UnreachableError: none could be made; nothing ran.
        """
        ...

    async def close(self) -> None:
        """End every stream; the next one is made anew."""
        ...


class FramedShell:
    """Runs scripts on one stream, in order, and a few beside it on streams of their own.

    A stream on which a script did not come to its answer is never used again: nobody knows what
    would come next on it.
    """

    def __init__(self, line: Line) -> None:
        self._line = line
        self._turn = asyncio.Lock()
        self._aside = asyncio.Semaphore(_ASIDE_AT_ONCE)
        self._session: _Session | None = None

    async def run(
        self, script: str, arguments: Sequence[str] = (), stdin: bytes = b"", *, timeout: float = 60.0
    ) -> Answer:
        """See :meth:`opencompass_ops.clusters.shell.Shell.run`."""
        async with self._turn:
            session = self._session
            if session is None or session.ended:
                session = self._session = await _Session.start(self._line)
            try:
                return await session.run(script, arguments, stdin, timeout)
            except BaseException:  # cancellation too
                session.close()
                self._session = None
                raise

    async def run_aside(
        self, script: str, arguments: Sequence[str] = (), stdin: bytes = b"", *, timeout: float = 600.0
    ) -> Answer:
        """See :meth:`opencompass_ops.clusters.shell.Shell.run_aside`."""
        async with self._aside:
            with closing(await _Session.start(self._line)) as session:
                return await session.run(script, arguments, stdin, timeout)

    async def close(self) -> None:
        """See :meth:`opencompass_ops.clusters.shell.Shell.close`."""
        if self._session:
            self._session.close()
        await self._line.close()


class _Session:
    """One stream with its nonce and its count of frames."""

    def __init__(self, name: str, stream: Stream) -> None:
        self._name = name
        self._stream = stream
        self._nonce = secrets.token_hex(16)
        self._decoder = Decoder(self._nonce)
        self._frames = 0

    @classmethod
    async def start(cls, line: Line) -> _Session:
        session = cls(line.name, await line.open())
        try:
            await session._greet()
        except BaseException:
            session.close()
            raise
        return session

    @property
    def ended(self) -> bool:
        return self._stream.ended

    def close(self) -> None:
        self._stream.close()

    async def run(self, script: str, arguments: Sequence[str], stdin: bytes, timeout: float) -> Answer:
        self._frames += 1
        data = frame(self._nonce, self._frames, script, arguments, stdin)
        try:
            async with asyncio.timeout(timeout):
                await self._stream.write(data)
                while (answer := self._decoder.answer(self._frames)) is None:
                    await self._listen()
        except TimeoutError:
            raise LostError(f"{self._name} gave no answer within {timeout:g} s; the script may run still") from None
        except OSError as error:
            raise LostError(f"{self._name}: the connection ended before the answer: {self._why(error)}") from error
        return answer

    async def _greet(self) -> None:
        try:
            async with asyncio.timeout(_GREETING_SECONDS):
                await self._stream.write(opening(self._nonce))
                while not self._decoder.greeting():
                    await self._listen()
        except TimeoutError:
            raise UnreachableError(
                f"{self._name}: bash did not begin within {_GREETING_SECONDS:g} s; does the login profile wait for "
                f"input? It said: {self._decoder.noise!r}"
            ) from None
        except OSError as error:
            raise UnreachableError(f"{self._name}: bash did not begin: {self._why(error)}") from error

    async def _listen(self) -> None:
        data = await self._stream.read()
        if not data:
            raise ConnectionResetError("end of stream")
        self._decoder.feed(data)

    def _why(self, error: OSError) -> str:
        return f"{error}; last words: {self._decoder.noise!r}"
