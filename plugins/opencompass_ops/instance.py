"""Which installation this is, so that two of them never mistake each other's jobs for their own."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path

from opencompass_ops.contract.codec import digest


def instance_id() -> str:
    """Six hex digits: ``OPENCOMPASS_OPS_INSTANCE`` hashed, else host and user."""
    named = os.environ.get("OPENCOMPASS_OPS_INSTANCE")
    return digest(named or [socket.gethostname(), os.getuid()])[:6]


def user_name() -> str:
    """Who runs this process, by the host's user table; the number where it has no name for it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def absolute(path: str) -> Path:
    """Relative paths start at ``OPENCOMPASS_OPS_HOME``: a worker's current folder is Airflow's affair."""
    return (Path(os.environ.get("OPENCOMPASS_OPS_HOME", Path.cwd())) / Path(path).expanduser()).absolute()
