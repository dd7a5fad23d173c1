"""One holder per token: the cluster may start two jobs for one submission, only one may work."""

from __future__ import annotations

import json
import os
import shutil
import socket
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles

_HOLDER = "holder"


@dataclass(frozen=True)
class Attempt:
    """Who this process is.

    :param token: deterministic name of the submission.
    :param epoch: number of the deliberate submission, from 1.
    :param job_id: the cluster's handle; the same after the cluster restarted the job.
    :param restart: how often the cluster restarted the job under this id.
    """

    token: str
    epoch: int
    job_id: str
    restart: int = 0


def take_claim(files: LocalFiles, attempt: Attempt) -> str:
    """Claim the token unless somebody has; returns the holder's job id.

    The folder is made aside with its holder file and renamed into place: a rename onto a folder that is not empty
    fails, so there is one winner and never a claim without a name.
    """
    claim = files.target(layout.claim(attempt.token))
    aside = claim.with_name(f".{claim.name}.{uuid.uuid4().hex}")
    aside.mkdir()
    try:
        (aside / _HOLDER).write_text(attempt.job_id)
        aside.rename(claim)
    except OSError:
        if not (claim / _HOLDER).exists():
            raise
        return (claim / _HOLDER).read_text()
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return attempt.job_id


def record_start(files: LocalFiles, attempt: Attempt) -> None:
    """Append one line about this start; what counts starts counts these lines."""
    line = {
        "job_id": attempt.job_id,
        "restart": attempt.restart,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "time": now(),
    }
    files.append(layout.starts(attempt.token), json.dumps(line))


def now() -> str:
    """The time in ISO 8601, UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")  # noqa: UP017  # Python 3.10
