"""What a process of the sandbox gives up, and what then really is refused to it."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
import struct
import sys
import sysconfig
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from inference.sandbox import seccomp
from opencompass_ops.contract.confinement import enter

MEMORY_BYTES = 1 << 30
"""Address space of a program, and of its checker."""
OPEN_FILES = 64

_NEW_USER, _NEW_OTHERS = 0x10000000, {"pid": 0x20000000, "net": 0x40000000, "ipc": 0x08000000, "uts": 0x04000000}
_CAPABILITY_VERSION = 0x20080522
_libc = ctypes.CDLL(None, use_errno=True)


_SHARED_OBJECTS = ("lib64", "usr/lib64", "lib/*-linux-gnu*", "usr/lib/*-linux-gnu*", "lib/ld-*", "etc/ld.so.cache")
_OTHERS = ("usr/share/zoneinfo", "dev/null", "dev/zero", "dev/random", "dev/urandom")


def readable() -> list[str]:
    """What programs need for reading: the standard library without what is installed beside it, shared objects."""
    beside = {str(path) for path in installed_beside()}
    modules = [entry for folder in libraries() for entry in folder.iterdir() if str(entry) not in beside]
    return [str(path) for path in (*modules, *shared_objects())]


def libraries() -> list[Path]:
    """Folders of the standard library; the import system lists their names."""
    return list(dict.fromkeys(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")))


def installed_beside() -> list[Path]:
    """``site-packages`` and ``dist-packages`` within them: a benchmark's package may hold its own solutions."""
    return [path for folder in libraries() for path in folder.glob("*-packages")]


def shared_objects() -> list[Path]:
    """Shared objects, devices that hold nothing, and the time zones."""
    root = Path("/")
    found = [path for pattern in (*_SHARED_OBJECTS, *_OTHERS) for path in root.glob(pattern)]
    return [*found, *Path(sys.base_prefix, "lib").glob("lib*.so*")]


def leave_namespaces() -> list[str]:
    """Unshare what the kernel allows; the names of it. Processes started afterwards live in the new ones."""
    flags = sum(_NEW_OTHERS.values())
    for first in (_NEW_USER, 0):
        if not _libc.unshare(flags | first):
            return [*(["user"] if first else []), *_NEW_OTHERS]
    return []


def drop_capabilities() -> None:
    """Root without its powers; an ordinary user has none. See capset(2)."""
    header = struct.pack("Ii", _CAPABILITY_VERSION, 0)
    _libc.capset(header, bytes(24))


def limit(seconds: float) -> None:
    """Limits that this process cannot raise again.

    There is none of processes: the kernel counts those of the user on the whole host. The filter refuses them.

    :param seconds: wall clock time that others enforce; processor time gets one second more.
    """
    processor = int(seconds) + 2
    for what, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, processor),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        highest = resource.getrlimit(what)[1]
        allowed = value if highest == resource.RLIM_INFINITY else min(value, highest)
        resource.setrlimit(what, (allowed, allowed))


def confine(ruleset: int | None, seconds: float) -> None:
    """All that a program's process gives up, for good.

    :param ruleset: of Landlock, None where the kernel has none; closed.
    :raises OSError: the kernel refuses one of them.
    """
    limit(seconds)
    if ruleset is not None:
        enter(ruleset)
        os.close(ruleset)
    machine = seccomp.machine()
    if machine:
        seccomp.install(seccomp.program(machine))


def attempts(secret: str) -> Mapping[str, Callable[[], object]]:
    """What must be refused to a program, by what it is.

    :param secret: path of a file outside, in a folder that anybody may write to.
    """
    return {
        "reading a file": lambda: Path(secret).read_bytes(),
        "writing a file": lambda: Path(f"{secret}.new").write_bytes(b"x"),
        "a socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
        "a process": _fork,
        "a signal": lambda: os.kill(os.getppid(), 0),
        "another program": lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),  # noqa: S606  # it must fail
        "memory without end": lambda: bytearray(2 * MEMORY_BYTES),
        "more of it": lambda: resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2),
    }


def allowed(secret: str) -> list[str]:
    """Which of the attempts succeed for this process."""
    found = []
    for name, attempt in attempts(secret).items():
        with suppress(OSError, MemoryError, ValueError):
            attempt()
            found.append(name)
    return found


def _fork() -> None:
    child = os.fork()
    if not child:
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
