"""What a config may do while it is read, as a pure function over Python's audit events.

Configs are executed Python. This keeps honest ones honest and stops accidents (a config that downloads, writes
or starts something while a run is planned) with a message that helps. Audit hooks are no wall: what goes around them
meets :mod:`opencompass_ops.contract.confinement`. Events: https://docs.python.org/3.11/library/audit_events.html
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
DEVICES = ("/dev/null", "/dev/urandom")
_LISTING = ("os.listdir", "os.scandir")
_CHANGING = {
    "os.chflags": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.link": 2,
    "os.mkdir": 1,
    "os.remove": 1,
    "os.removexattr": 1,
    "os.rename": 2,
    "os.rmdir": 1,
    "os.setxattr": 1,
    "os.symlink": 2,
    "os.truncate": 1,
    "os.utime": 1,
}
_STARTING = (
    "ctypes.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.system",
    "pty.spawn",
    "subprocess.",
)
_CONNECTING = ("ftplib.", "http.", "imaplib.", "nntplib.", "poplib.", "smtplib.", "socket.", "telnetlib.", "urllib.")
_MEDDLING = ("os.kill", "resource.", "signal.pthread_kill", "sqlite3.", "syslog.", "webbrowser.")


@dataclass(frozen=True)
class Policy:
    """Folders as real paths, so that a link cannot lead out of them.

    :param sources: configs and data: may be read, and what is read counts.
    :param libraries: Python's own folders: may be read, does not count.
    :param scratch: a folder that is thrown away; the only one that may be written.
    """

    sources: tuple[str, ...]
    libraries: tuple[str, ...]
    scratch: str


def refusal(policy: Policy, event: str, arguments: tuple[Any, ...]) -> str:
    """Why the event is refused, with the next step; "" when it is allowed."""
    if event == "open":
        return _open_refusal(policy, *arguments[:3])
    if event in _LISTING:
        return _read_refusal(policy, arguments[0])
    if event in _CHANGING:
        return next(filter(None, (_write_refusal(policy, path) for path in arguments[: _CHANGING[event]])), "")
    if event.startswith(_CONNECTING):
        return f"it uses the network ({event}); a config may only describe, so put the data into a file beside it"
    if event.startswith(_STARTING):
        return f"it starts a program or native code ({event}); a config may only describe, so write the value down"
    if event.startswith(_MEDDLING):
        return f"it reaches outside itself ({event}); a config may only describe, so remove that call"
    return ""


def source_read(policy: Policy, event: str, arguments: tuple[Any, ...]) -> str:
    """The real path of the config or data file that the event opens; "" when it opens none.

    The innermost folder decides: a virtualenv inside the config folder is a library all the same.
    """
    if event != "open" or isinstance(arguments[0], int):
        return ""
    path = _real(arguments[0])
    innermost = max((folder for folder in _readable(policy) if _below(path, folder)), key=len, default="")
    return path if innermost in policy.sources else ""


def _open_refusal(policy: Policy, path: Any, mode: Any = None, flags: Any = 0) -> str:
    if isinstance(path, int) or _real(path) in DEVICES:
        return ""
    writes = isinstance(flags, int) and flags & _WRITING
    return _write_refusal(policy, path) if writes else _read_refusal(policy, path)


def _read_refusal(policy: Policy, path: Any) -> str:
    if isinstance(path, int):
        return ""
    real = _real(path)
    if any(_below(real, folder) for folder in (*_readable(policy), policy.scratch)):
        return ""
    folders = ", ".join(policy.sources)
    return f"it reads {real}, outside the config and data folders ({folders}); move it there or add its folder"


def _write_refusal(policy: Policy, path: Any) -> str:
    if isinstance(path, int) or _below(_real(path), policy.scratch):
        return ""
    return f"it writes {_real(path)}; a config may only describe, so remove that call"


def _readable(policy: Policy) -> tuple[str, ...]:
    return (*policy.libraries, *policy.sources)


def _real(path: Any) -> str:
    return os.path.realpath(os.fsdecode(path) if path is not None else ".")


def _below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
