"""Starts a supervisor that no longer depends on the process that started it."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Mapping

from opencompass_ops.clusters.base import Admission, JobRequest
from opencompass_ops.clusters.local_supervisor import CLAIMED, TAKEN, command
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.errors import UnsureError

_CLAIM_SECONDS = 60.0


def launch(request: JobRequest, environment: Mapping[str, str], lock: int) -> Admission:
    """Start a supervisor and wait until it owns the job or knows that another one does.

    :param environment: all variables of the job.
    :param lock: descriptor of the held lock; the supervisor holds it too until it has signed the job's folder.
    :raises UnsureError: it said nothing; whether the job was started shows when it is submitted again.
    """
    answer, its_answer = os.pipe()
    try:
        try:
            _spawn(request, environment, its_answer, lock)
        finally:
            os.close(its_answer)
        ready, _, _ = select.select([answer], [], [], _CLAIM_SECONDS)
        word = os.read(answer, 1) if ready else b""
    finally:
        os.close(answer)
    if word in (CLAIMED, TAKEN):
        return Admission.ACCEPTED if word == CLAIMED else Admission.ADOPTED
    raise UnsureError(f"the supervisor of job {request.token} said nothing; its last words are in {request.log_path}")


def _spawn(request: JobRequest, environment: Mapping[str, str], answer: int, lock: int) -> None:
    log = LocalFiles(request.run_dir).path(request.log_path)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        first = subprocess.Popen(
            command(request.run_dir, request.token, answer, lock),
            cwd=request.run_dir,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            pass_fds=(answer, lock),
        )
    first.wait()  # it forks the supervisor proper and leaves
