"""Which installation this is, so that two of them never mistake each other's jobs for their own."""

from __future__ import annotations

import os
import socket

from opencompass_ops.contract.codec import digest


def instance_id() -> str:
    """Six hex digits: ``OPENCOMPASS_OPS_INSTANCE`` hashed, else host and user."""
    named = os.environ.get("OPENCOMPASS_OPS_INSTANCE")
    return digest(named or [socket.gethostname(), os.getuid()])[:6]
