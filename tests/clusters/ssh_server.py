"""An SSH server of this process whose sessions are real bash, with faults that a real sshd shows only by luck."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh
from asyncssh.process import SSHServerProcess


@dataclass
class Wire:
    """TCP between client and server: counts connections, and drops, delays or swallows what passes.

    :param refuse: how many of the next connections are closed before the server says a word.
    :param cut_after: bytes from the server until the connection is dropped; None for never.
    :param deaf: nothing passes on new connections, and nobody is told.
    :param delay: seconds that every piece takes.
    """

    refuse: int = 0
    cut_after: int | None = None
    deaf: bool = False
    delay: float = 0.0
    accepted: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _silent: set[asyncio.StreamWriter] = field(default_factory=set)
    _carrying: set[asyncio.Task[None]] = field(default_factory=set)

    def drop(self) -> None:
        """End all connections without a word."""
        for writer in self._writers:
            writer.transport.abort()

    def silence(self) -> None:
        """From now on nothing passes on the connections there are."""
        self._silent |= self._writers

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._writers) // 2

    async def close(self) -> None:
        """Drop everything and wait until it is gone."""
        self.drop()
        if self._carrying:
            await asyncio.wait(self._carrying)

    async def carry(self, server_port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one TCP connection."""
        self.accepted += 1
        self._carrying.add(asyncio.current_task())
        if self.refuse > 0:
            self.refuse -= 1
            writer.close()
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", server_port)
        pair = {writer, up_writer}
        self._writers |= pair
        if self.deaf:
            self.silence()
        try:
            await asyncio.gather(self._pass(reader, up_writer), self._pass(up_reader, writer, counted=True))
        finally:
            self._writers -= pair

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = False) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                if counted and self.cut_after is not None:
                    self.cut_after, data = self.cut_after - len(data), data[: self.cut_after]
                if writer not in self._silent:
                    writer.write(data)
                    await writer.drain()
                if counted and self.cut_after is not None and self.cut_after <= 0:
                    break
        writer.close()
        if counted and self.cut_after is not None:
            self.cut_after = None
            self.drop()


@dataclass
class Server:
    """What the server does to sessions.

    :param profile: bash that every session runs first, as a login profile does.
    :param max_sessions: more open sessions than these are refused.
    :param refuse_sessions: how many of the next sessions are refused whatever the number.
    :param silent: sessions are accepted and say nothing.
    :param vanish_after: bytes of a session's output until its channel is closed without an exit status.
    """

    port: int = 0
    wire: Wire = field(default_factory=Wire)
    profile: str = ":"
    max_sessions: int = 10
    refuse_sessions: int = 0
    silent: bool = False
    vanish_after: int | None = None
    logins: int = 0
    sessions: int = 0
    open_sessions: int = 0
    most_sessions: int = 0
    terminals: list[str | None] = field(default_factory=list)
    _bashes: list[asyncio.subprocess.Process] = field(default_factory=list)
    host_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))
    user_key: asyncssh.SSHKey = field(default_factory=lambda: asyncssh.generate_private_key("ssh-ed25519"))

    @property
    def known_host(self) -> str:
        """``TYPE BASE64`` of the host key."""
        return " ".join(self.host_key.export_public_key().decode().split()[:2])

    def key_file(self, folder: Path) -> str:
        """Write the key that logs in."""
        path = folder / "id_ed25519"
        path.write_bytes(self.user_key.export_private_key())
        path.chmod(0o600)
        return str(path)

    async def session(self, process: SSHServerProcess) -> None:
        """Serve one session."""
        self.terminals.append(process.term_type)
        try:
            if self.silent:
                await process.channel.wait_closed()
            await self._bash(process)
        finally:
            self.open_sessions -= 1

    async def close(self) -> None:
        """Wait for the processes of all sessions, and kill what hangs."""
        for bash in self._bashes:
            try:
                await asyncio.wait_for(bash.wait(), 2)
            except TimeoutError:
                os.killpg(bash.pid, signal.SIGKILL)
                await bash.wait()

    async def _bash(self, process: SSHServerProcess) -> None:
        bash = await asyncio.create_subprocess_exec(
            *("bash", "--norc", "-c", f"{self.profile}\n{process.command}"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        self._bashes.append(bash)
        feeding = asyncio.create_task(_feed(process, bash.stdin))
        try:
            while data := await bash.stdout.read(65536):
                if self.vanish_after is not None:
                    self.vanish_after, data = self.vanish_after - len(data), data[: self.vanish_after]
                process.stdout.write(data)
                if self.vanish_after is not None and self.vanish_after <= 0:
                    self.vanish_after = None
                    process.channel.close()
                    return
            process.exit(await bash.wait())
        except (OSError, asyncssh.Error):
            pass
        finally:
            feeding.cancel()
            bash.stdin.close()


async def _feed(process: SSHServerProcess, stdin: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncssh.Error):
        while data := await process.stdin.read(65536):
            stdin.write(data)
            await stdin.drain()
    stdin.close()


class _Login(asyncssh.SSHServer):
    def __init__(self, server: Server) -> None:
        self._server = server

    def auth_completed(self) -> None:
        self._server.logins += 1

    def session_requested(self) -> SSHServerProcess:
        server = self._server
        if server.refuse_sessions > 0 or server.open_sessions >= server.max_sessions:
            server.refuse_sessions -= 1
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "open failed")
        server.sessions += 1
        server.open_sessions += 1
        server.most_sessions = max(server.most_sessions, server.open_sessions)
        return SSHServerProcess(server.session, None, 3, False)


@asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    """A server on a free port of loopback."""
    server = Server()
    authorized = asyncssh.import_authorized_keys(server.user_key.export_public_key().decode())
    ssh = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=lambda: _Login(server),
        server_host_keys=[server.host_key],
        authorized_client_keys=authorized,
        encoding=None,
    )
    carry = lambda reader, writer: server.wire.carry(ssh.get_port(), reader, writer)  # noqa: E731
    front = await asyncio.start_server(carry, "127.0.0.1", 0)
    server.port = front.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        front.close()
        ssh.close()
        await server.wire.close()
        await ssh.wait_closed()
        await server.close()
