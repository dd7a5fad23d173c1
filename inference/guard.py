"""Ends the job when its keeper is gone: a container may outlive the batch script that started it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

from opencompass_ops.contract import variables

_GRACE_SECONDS = 10.0
_KILLED = 128 + signal.SIGKILL


def guard_stdin() -> None:
    """Watch stdin where the keeper asks for it; it holds the other end as long as it lives."""
    if os.environ.pop(variables.GUARD, ""):
        threading.Thread(target=_watch, name="guard", daemon=True).start()


def _watch() -> None:
    while os.read(0, 4096):
        pass
    with contextlib.suppress(OSError):  # the reader of its output may be gone too
        print("whoever started this job is gone; it ends", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(_KILLED)
