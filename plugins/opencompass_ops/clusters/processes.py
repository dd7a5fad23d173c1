"""Processes of this host, read from Linux's /proc: who is who, who belongs to whom."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from opencompass_ops.contract import variables

_PROC = Path("/proc")


def host() -> str:
    """This host's name."""
    return os.uname().nodename


def boot_id() -> str:
    """What changes with every start of this host."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


@dataclass(frozen=True)
class ProcessId:
    """A process that no later one with the same number can be mistaken for.

    :param started: clock ticks from boot to its start, field 22 of proc(5) ``/proc/pid/stat``.
    """

    pid: int
    started: int
    boot_id: str
    host: str

    @classmethod
    def mine(cls) -> ProcessId:
        """The identity of the calling process."""
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """The identity of the process that has this number now.

        :raises OSError: none has.
        """
        return cls(pid=pid, started=_stat(pid).started, boot_id=boot_id(), host=host())

    @property
    def is_here(self) -> bool:
        """Whether it was started on this host since its last boot."""
        return self.host == host() and self.boot_id == boot_id()

    def is_alive(self) -> bool:
        """Whether it still runs on this host; a zombie does not."""
        if not self.is_here:
            return False
        try:
            stat = _stat(self.pid)
        except OSError:
            return False
        return stat.started == self.started and stat.state not in "ZX"

    def send(self, signum: int) -> None:
        """Send a signal to this very process, or to none when it is gone."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                # Asked after the descriptor was taken: it now names either this process or a later one.
                if self.is_alive():
                    signal.pidfd_send_signal(descriptor, signum)
            finally:
                os.close(descriptor)


def descendants(root: int) -> list[int]:
    """Pids of all live and zombie descendants of ``root``."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        with contextlib.suppress(OSError):
            children.setdefault(_stat(pid).parent, []).append(pid)
    found: list[int] = []
    ahead = [root]
    while ahead:
        young = children.get(ahead.pop(), [])
        found += young
        ahead += young
    return found


def holders(token: str) -> list[int]:
    """Pids of this user's processes that were started with the job's token in their environment."""
    entry = f"{variables.TOKEN}={token}".encode()
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            if entry in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                found.append(pid)
    return [pid for pid in found if pid != os.getpid()]


def send(pid: int, signum: int) -> None:
    """Send a signal; a process that is gone or another user's is left alone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signum)


@dataclass(frozen=True)
class _Stat:
    state: str
    parent: int
    started: int


def _stat(pid: int) -> _Stat:
    # The command's name stands in parentheses and may itself hold spaces and parentheses.
    fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    if len(fields) < 20:
        raise ProcessLookupError(pid)
    return _Stat(state=fields[0].decode(), parent=int(fields[1]), started=int(fields[19]))


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in os.scandir(_PROC) if entry.name.isdigit())
