"""A submitted job from claim to exit record: all kinds of shards are the same protocol around other work."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

from inference import launchers, parallel, timing
from inference.claim import Attempt, now, record_start, take_claim
from inference.heartbeat import Progress, Pulse
from inference.identity import located, located_if_there
from inference.problems import MissingParts
from inference.startup import import_work
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.evidence import outputs, shard_problem
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import ExitRecord
from opencompass_ops.contract.spec import EVAL, INFER, OPENCOMPASS, VIZ, ShardSpec

DONE = 0
FAILED = 1
REFUSED = 2
HELD = 75
"""EX_TEMPFAIL: another job holds the token; this one did nothing and leaves no exit record."""
TERMINATED = 128 + signal.SIGTERM
INTERRUPTED = 128 + signal.SIGINT

_LONGEST_MESSAGE = 2000


class Terminated(BaseException):
    """SIGTERM arrived: time limit, preemption or cancel. Not an Exception, so that no handler swallows it."""


@dataclass(frozen=True)
class Ending:
    """How the work ended, as the exit record tells it."""

    returncode: int
    error_type: str = ""
    error: str = ""
    retryable: bool = True


def run_job(kind: str, shard: str, run_dir: str, attempt: Attempt) -> int:
    """Claim the token, do the shard's work and write the exit record last.

    :param kind: of the shard.
    :param shard: path of the shard's spec.
    :param run_dir: the run directory as this machine sees it.
    :returns: the exit code, the same as in the exit record.
    """
    before = signal.getsignal(signal.SIGTERM)
    try:
        return _run_job(kind, shard, LocalFiles(run_dir), attempt)
    finally:
        signal.signal(signal.SIGTERM, before)


def _run_job(kind: str, shard: str, files: LocalFiles, attempt: Attempt) -> int:
    holder = take_claim(files, attempt)
    if holder != attempt.job_id:
        print(f"job {holder} holds {attempt.token}; this one ({attempt.job_id}) does nothing", flush=True)
        return HELD
    started = now()
    record_start(files, attempt)
    # A record of the attempt before this restart must not speak for this one, should it be killed.
    files.path(layout.exit_record(attempt.token)).unlink(missing_ok=True)
    progress = Progress()
    with Pulse(files, attempt.token, progress):
        ending, manifests = _work(kind, shard, files, attempt, progress)
        progress.phase, progress.message = "done", ending.error
    record = ExitRecord(
        token=attempt.token,
        job_id=attempt.job_id,
        restart=attempt.restart,
        epoch=attempt.epoch,
        returncode=ending.returncode,
        manifests=manifests,
        error_type=ending.error_type,
        error=ending.error,
        retryable=ending.retryable,
        host=socket.gethostname(),
        started_at=started,
        finished_at=now(),
    )
    files.write(layout.exit_record(attempt.token), record.to_json())
    print(f"{attempt.token}: ended with {ending.returncode}", flush=True)
    return ending.returncode


def run_worker(shard: str, run_dir: str, token: str) -> int:
    """One process of several: journal its share of the shard, or leave word why not."""
    this = launchers.this_rank()
    files = LocalFiles(run_dir)

    def answer() -> None:
        from inference.infer import unanswered

        spec, work = read_spec(shard, INFER), import_work()
        share, progress = work.Share(this.rank, this.world), Progress()
        try:
            work.work(files, spec, unanswered(files, spec), progress, lambda part: None, share)
        finally:  # a part that was refused says nothing of the others
            timing.leave(files, token, this.rank, progress.timings)

    ending = guard(answer)
    if ending.returncode in (FAILED, REFUSED):
        said = {"error_type": ending.error_type, "error": ending.error, "retryable": ending.retryable}
        files.write(layout.job(token, parallel.failure_name(this.rank)), json.dumps(said))
    # The launcher stops every worker when one fails; what this one refuses must not cost the others their share.
    return DONE if ending.returncode == REFUSED else ending.returncode


def guard(action: Callable[[], None]) -> Ending:
    """Run the work at the process's edge: whatever it raises is printed for the log and told in one line.

    SIGTERM ends the work where it is; journals close on the way out. Afterwards it is ignored, so that a second one
    cannot keep the exit record from being written.
    """
    signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        action()
    except Terminated:
        print("SIGTERM: what is finished is journaled", flush=True)
        return Ending(TERMINATED, "Terminated", "stopped by SIGTERM; what was finished is journaled")
    except KeyboardInterrupt:
        return Ending(INTERRUPTED, "KeyboardInterrupt", "interrupted; what was finished is journaled")
    except MissingParts as error:  # what is wrong is not in this job, so no line of its code helps
        print(f"not scored: {error}", file=sys.stderr, flush=True)
        return classify(error)
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        return classify(error)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return Ending(DONE)


def classify(error: Exception) -> Ending:
    """Whether trying again could help, and the one line that people see first."""
    name = getattr(error, "error_type", type(error).__name__)
    message = " ".join(str(error).split())[:_LONGEST_MESSAGE] or name
    if name == "OutOfMemoryError":
        message = (
            f"out of GPU memory: lower the model's batch_size or max_seq_len, or give it more num_gpus ({message})"
        )
    if isinstance(error, PermissionError):
        message = f"{message}; give the account that runs the jobs access to it"
    retryable = bool(getattr(error, "retryable", not isinstance(error, (codec.SchemaError, PermissionError))))
    return Ending(FAILED if retryable else REFUSED, name, message, retryable)


def read_spec(shard: str, kind: str) -> ShardSpec:
    """The shard's spec, its model's folders made absolute.

    :raises SchemaError: it is damaged, or of another kind than it was started as.
    """
    with open(shard, "rb") as stream:  # noqa: PTH123  # an absolute path given by the cluster
        spec = ShardSpec.from_json(stream.read())
    if spec.kind != kind:
        raise codec.SchemaError(f"{shard} is a shard of kind {spec.kind!r}, not {kind!r}; start it as what it is")
    locate = located_if_there if spec.engine == OPENCOMPASS else located
    return replace(spec, model=locate(spec.model, spec.data_dir))


def _work(
    kind: str, shard: str, files: LocalFiles, attempt: Attempt, progress: Progress
) -> tuple[Ending, dict[str, str]]:
    manifests: dict[str, str] = {}

    def act() -> None:
        spec = read_spec(shard, kind)
        if spec.engine == OPENCOMPASS:
            _bridge(files, spec, attempt.token, progress)
        elif kind == EVAL:
            _evaluate(files, spec, attempt.token, progress)
        else:
            _infer(files, spec, attempt.token, progress, shard)
        problem = shard_problem(files, spec)
        if problem:
            raise RuntimeError(f"the shard's work ended without an error, but {problem}")
        manifests.update(digests(files, spec))

    return guard(act), manifests


def _bridge(files: LocalFiles, spec: ShardSpec, token: str, progress: Progress) -> None:
    from inference.bridge import predictions, results, tables

    work = {INFER: predictions.infer, EVAL: results.evaluate, VIZ: tables.tabulate}[spec.kind]
    work(files, spec, token, progress)


def _evaluate(files: LocalFiles, spec: ShardSpec, token: str, progress: Progress) -> None:
    from inference.evaluate import evaluate

    progress.phase = "running"
    progress.total = sum(part.count for part in spec.parts)
    evaluate(files, spec, token)
    progress.done = progress.total


def _infer(files: LocalFiles, spec: ShardSpec, token: str, progress: Progress, shard: str) -> None:
    from inference.infer import infer

    if parallel.count_processes(spec) == 1:
        infer(files, spec, token, progress)
        return
    argv = [INFER, shard, "--run-dir", str(files.root), "--token", token, "--worker"]
    infer(files, spec, token, progress, lambda parts: parallel.run_workers(files, spec, token, parts, progress, argv))


def digests(files: LocalFiles, spec: ShardSpec) -> dict[str, str]:
    """Run-relative path of each of the shard's manifests and its sha256."""
    return {path: codec.digest_bytes(files.read(path)) for path in map(layout.manifest, outputs(spec))}


def _raise_terminated(number: int, frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # A second one must not interrupt the way out.
    raise Terminated(os.getpid())
