"""Several worker processes for one shard; each journals its own share of the batches."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from inference import launchers, timing
from inference.heartbeat import Progress
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import Part, ShardSpec

_POLL_SECONDS = 1.0
_GRACE_SECONDS = 20.0


class WorkerFailed(Exception):
    """A worker process ended badly.

    :param error_type: class name of what the worker raised.
    :param retryable: what the worker said of it.
    """

    def __init__(self, message: str, error_type: str = "WorkerFailed", retryable: bool = True) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.retryable = retryable


def count_processes(spec: ShardSpec) -> int:
    """Processes that share the shard: the model's ``run_cfg.num_procs``."""
    return int((spec.model.get("run_cfg") or {}).get("num_procs") or 1)


def run_workers(
    files: LocalFiles, spec: ShardSpec, token: str, parts: Sequence[Part], progress: Progress, argv: Sequence[str]
) -> None:
    """Start the workers and wait for them.

    :param parts: what they answer; their journals are watched for the progress.
    :param argv: ``python -m inference`` arguments of one worker.
    :raises WorkerFailed: with the words of the first worker that left some.
    """
    processes = count_processes(spec)
    for rank in range(processes):
        for left in (failure_name(rank), timing.file_name(rank)):  # of an attempt before this restart
            files.path(layout.job(token, left)).unlink(missing_ok=True)
    progress.phase = "loading"
    watched = Watched(files, spec, parts, processes)
    done = progress.done
    group = subprocess.Popen(launchers.command(processes, argv))
    try:
        while group.poll() is None:
            time.sleep(_POLL_SECONDS)
            progress.done = done + watched.count()
            progress.phase = "running" if watched.grew else "loading"
    finally:
        _stop(group)
    progress.timings |= timing.gather(files, token, processes)
    failure = _failure(files, token, processes, group.returncode)
    if failure is not None:
        raise failure


def failure_name(rank: int) -> str:
    """The file in the job's folder that says why a worker ended."""
    return f"failure.rank{rank}.json"


class Watched:
    """Counts journal lines without reading any byte twice."""

    def __init__(self, files: LocalFiles, spec: ShardSpec, parts: Sequence[Part], processes: int) -> None:
        names = [layout.journal(spec.model_abbr, part.name, rank) for part in parts for rank in range(processes)]
        self._offsets: dict[Path, int] = {files.path(name): 0 for name in names}
        self._lines = 0
        self._restored = self.count()

    @property
    def grew(self) -> bool:
        """Whether a line was added since the start."""
        return self._lines > self._restored

    def count(self) -> int:
        """Lines so far, those of earlier attempts included."""
        for path, offset in self._offsets.items():
            try:
                with path.open("rb") as stream:
                    stream.seek(offset)
                    added = stream.read()
            except FileNotFoundError:
                continue
            self._lines += added.count(b"\n")
            self._offsets[path] = offset + len(added)
        return self._lines


def _stop(group: subprocess.Popen[bytes]) -> None:
    """Pass a SIGTERM of ours on, so that the workers flush their journals."""
    if group.poll() is not None:
        return
    launchers.ask_to_stop(group)
    try:
        group.wait(_GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        group.kill()
        group.wait()


def _failure(files: LocalFiles, token: str, processes: int, returncode: int) -> WorkerFailed | None:
    for rank in range(processes):
        try:
            said = json.loads(files.read(layout.job(token, failure_name(rank))))
        except FileNotFoundError:
            continue
        return WorkerFailed(f"worker {rank}: {said['error']}", said["error_type"], said["retryable"])
    if returncode == 0:
        return None
    return WorkerFailed(f"the launcher ended with {returncode} and no worker said why; see the log")
