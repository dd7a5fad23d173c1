"""The kernel's wall around what runs here and is not ours: Landlock, where Linux has it (5.13 and later).

Around a config while it is read, and around programs that models wrote while they are judged. It holds for whatever
the process starts, too. https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Sequence
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture
_VERSION_QUERY, _PATH_BENEATH = 1, 1
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_OF_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Every right over files that a version of Landlock knows, by the first version that knows it."""

_TCP, _TCP_SINCE = (1 << 0) | (1 << 1), 4
_SCOPES, _SCOPES_SINCE = (1 << 0) | (1 << 1), 6
"""Abstract sockets and signals: none reaches a process outside."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


_libc = ctypes.CDLL(None, use_errno=True)


def landlock_version() -> int:
    """Version of Landlock's interface; 0 where there is none."""
    return max(0, int(_libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION_QUERY)))


def die_with_parent() -> None:
    """Have this process killed when the one that forked it ends."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def confine(readable: Sequence[str], writable: Sequence[str]) -> bool:
    """Let this process and its children read and write below these paths only, and run, connect and signal nothing.

    For good; no TCP from version 4 on, no signals from version 6 on.

    :param readable: files and folders; those that are not there are left out.
    :param writable: files and folders that may be read and changed.
    :returns: whether the kernel does it; False where it has no Landlock.
    :raises OSError: the kernel has Landlock and refuses.
    """
    ruleset = open_ruleset(readable, writable)
    if ruleset is None:
        return False
    try:
        enter(ruleset)
    finally:
        os.close(ruleset)
    return True


def open_ruleset(readable: Sequence[str], writable: Sequence[str] = (), listable: Sequence[str] = ()) -> int | None:
    """A descriptor of what :func:`enter` will allow; several processes may enter by the same one.

    :param listable: folders below which names may be listed, and nothing read.
    :returns: None where the kernel has no Landlock.
    :raises OSError: the kernel has Landlock and refuses.
    """
    version = landlock_version()
    if not version:
        return None
    rights = next(every for since, every in sorted(_OF_FILES.items(), reverse=True) if version >= since)
    wanted = _Ruleset(rights, _TCP if version >= _TCP_SINCE else 0, _SCOPES if version >= _SCOPES_SINCE else 0)
    size = 8 if version < _TCP_SINCE else 16 if version < _SCOPES_SINCE else 24
    ruleset = _checked(_libc.syscall(_CREATE, ctypes.byref(wanted), ctypes.c_size_t(size), 0))
    allowed = ((readable, _READ_FILE | _READ_DIR), (writable, rights & ~_EXECUTE), (listable, _READ_DIR))
    try:
        for path, right in ((path, right) for paths, right in allowed for path in paths):
            _allow(ruleset, path, right)
    except OSError:
        os.close(ruleset)
        raise
    return ruleset


def enter(ruleset: int) -> None:
    """Confine this process and its children for good; once more makes a wall between it and others of the ruleset.

    :raises OSError: the kernel refuses.
    """
    _checked(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _checked(_libc.syscall(_RESTRICT, ruleset, 0))


def _allow(ruleset: int, path: str, allowed: int) -> None:
    if not Path(path).exists():
        return
    if not Path(path).is_dir():
        allowed &= _WRITE_FILE | _READ_FILE
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = _Beneath(allowed, place)
        _checked(_libc.syscall(_ADD, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(place)


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return int(result)
