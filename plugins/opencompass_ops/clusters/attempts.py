"""Which submission of a shard is the present one, and how the earlier ones ended; read from the job folders.

History lines are states as the cluster reported them (``state``), wishes to stop (``cancel``, with who
asked) and verdicts (``verdict``): what the control side concluded from state, exit record and manifests
together. Whoever sees the end writes the verdict; writing it twice is harmless.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.contract import codec, evidence, layout
from opencompass_ops.contract.files import Files, LocalFiles
from opencompass_ops.contract.spec import ShardSpec

_SHARD = re.compile(r"[a-z0-9]([a-z0-9-]{0,33}[a-z0-9])?")
_MAX_EPOCH = 999_999
_JOBS = "jobs"


@dataclass(frozen=True)
class Outcome:
    """How a submission ended, for good.

    :param state: terminal; ``SUCCEEDED`` only when exit record and manifests agree.
    :param reason: one line for people, "" on success.
    :param error_type: class name of what went wrong, as the job or the control side names it, "" on success.
    :param retryable: False when the same job would fail the same way.
    :param node: where it ran, "" when not known.
    :param done: items of the shard that were done at its end, those of earlier submissions included.
    :param cause: of an OutOfMemory: whose memory, ``host`` or ``device``.
    :param began_at: when its job began by the job's own account (ISO 8601); "" when that is not known.
    :param ended_at: when it ended, by its own account; "" for when its end was seen.
    """

    token: str
    epoch: int
    state: JobState
    reason: str = ""
    error_type: str = ""
    retryable: bool = True
    job_id: str = ""
    node: str = ""
    done: int = 0
    cause: str = ""
    began_at: str = ""
    ended_at: str = ""

    @property
    def ok(self) -> bool:
        """Whether the shard's outputs are there and right."""
        return self.state is JobState.SUCCEEDED

    def to_values(self) -> dict[str, Any]:
        """Plain JSON values that :meth:`from_values` reads, e.g. for a trigger's event."""
        return {**asdict(self), "state": self.state.value}

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> Outcome:
        """The outcome that :meth:`to_values` wrote."""
        return cls(**{**values, "state": JobState(values["state"])})


@dataclass(frozen=True)
class Attempt:
    """The submission to make or to adopt.

    :param epoch: number of the deliberate submission, from 1.
    :param previous: verdicts of the earlier ones, oldest first.
    """

    token: str
    epoch: int
    previous: tuple[Outcome, ...] = ()


def token(instance: str, run_dir: str, shard: str, epoch: int) -> str:
    """The name of a submission: the same arguments, the same name, on every host.

    :param instance: identity of this installation, any text.
    :param run_dir: the run directory, any text.
    :raises ValueError: the shard's id or the epoch cannot be part of a name.
    """
    if not _SHARD.fullmatch(shard):
        raise ValueError(f"shard id {shard!r} must be 1 to 35 of a-z, 0-9 and inner '-'")
    if not 1 <= epoch <= _MAX_EPOCH:
        raise ValueError(f"epoch {epoch} must lie between 1 and {_MAX_EPOCH}; start a new run")
    return f"{group(instance, run_dir)}-{shard}-e{epoch}"


def shard_of(token: str) -> str:
    """The shard that a token was made for."""
    return token.split("-", 3)[3].rpartition("-e")[0]


def group(instance: str, run_dir: str) -> str:
    """What the tokens of a run have in common."""
    return f"oc-{_short(instance, 6)}-{_short(run_dir, 8)}"


def current(files: Files, instance: str, run_dir: str, shard: str) -> Attempt:
    """The highest epoch that has a folder, or the next one when that is over without success.

    A success whose files were damaged or no longer answer the shard's spec counts as over.
    """
    first = token(instance, run_dir, shard, 1)
    epoch = max(_epochs(files, first), default=1)
    last = verdict(files, _with_epoch(first, epoch))
    if last and not _stands(files, shard, last):
        epoch += 1
    present = token(instance, run_dir, shard, epoch)
    return Attempt(present, epoch, before(files, present))


def before(files: Files, token: str) -> tuple[Outcome, ...]:
    """Verdicts of the shard's earlier submissions, oldest first."""
    epochs = (epoch for epoch in _epochs(files, token) if epoch < _epoch(token))
    found = (verdict(files, _with_epoch(token, epoch)) for epoch in epochs)
    return tuple(outcome for outcome in found if outcome)


def ended(files: Files, instance: str, run_dir: str, shard: str) -> tuple[Outcome, ...]:
    """Verdicts of all submissions of a shard, oldest first."""
    return before(files, token(instance, run_dir, shard, _MAX_EPOCH))


def items_done(outcomes: Iterable[Outcome]) -> int:
    """Items that were done when the best of these submissions ended; what comes next goes on from there."""
    return max((outcome.done for outcome in outcomes), default=0)


def unconcluded(files: Files) -> list[str]:
    """Tokens of the run's submissions that have no verdict, sorted; their jobs may be alive."""
    return [token for token in files.list(_JOBS) if verdict(files, token) is None]


def note(files: LocalFiles, token: str, status: JobStatus) -> None:
    """Add the state to the history if it is another than the last one noted.

    Of a job that was put back into the queue its last sign of life is noted too: the next start overwrites it.
    """
    states = [line["state"] for line in _lines(files, token) if "state" in line]
    if states and states[-1] == status.state.value:
        return
    told = {"reason": status.reason, "exit_code": status.exit_code, "job_id": status.job_id, "node": status.node}
    if status.state is JobState.QUEUED and JobState.RUNNING.value in states:
        beat = evidence.read_heartbeat(files, token)
        told["ended_at"] = beat.updated_at if beat else ""
    _append(files, token, {"state": status.state.value, **told})


def ask_cancel(files: LocalFiles, token: str, reason: str) -> None:
    """Say that the job shall stop, before anything is done about it; no submission follows."""
    _append(files, token, {"cancel": reason})


def cancel_asked(files: Files, token: str) -> str:
    """Why the job shall stop; "" when nobody asked."""
    return next((str(line["cancel"]) for line in _lines(files, token) if "cancel" in line), "")


def conclude(files: LocalFiles, outcome: Outcome) -> None:
    """Write the verdict, unless it stands already or a cancel would overturn another one.

    A lost job is cancelled so that nothing of it runs on; whoever else waits for it must not take that for a wish.
    """
    before = verdict(files, outcome.token)
    if before == outcome or (before and outcome.state is JobState.CANCELLED):
        return
    _append(files, outcome.token, {"verdict": outcome.to_values()})


def verdict(files: Files, token: str) -> Outcome | None:
    """How the submission ended; None while nobody concluded it."""
    found: Outcome | None = None
    for line in _lines(files, token):
        if "verdict" in line:
            outcome = Outcome.from_values(line["verdict"])
            if found is None or outcome.state is not JobState.CANCELLED:
                found = outcome
    return found


def ran(files: Files, token: str) -> list[tuple[datetime, datetime | None]]:
    """When the submission ran: begins and ends, more than one where Slurm put it back.

    As the control side saw it, but where nobody looked for a while: then the job's own account counts, which the
    verdict holds, and the history where it was put back. The last end is None while it runs, for all that is known.
    """
    found: list[tuple[datetime, datetime | None]] = []
    for line in _lines(files, token):
        if "time" not in line:
            continue  # of an older release
        time, is_open = datetime.fromisoformat(line["time"]), bool(found) and found[-1][1] is None
        if line.get("state") == JobState.RUNNING.value and not is_open:
            found.append((time, None))
        elif is_open and line.get("state") == JobState.QUEUED.value:
            found = _until(found, "", line.get("ended_at", ""), time)
        if "verdict" in line:
            outcome = Outcome.from_values(line["verdict"])  # a later one corrects it, and nothing ran in between
            return _until(found, outcome.began_at, outcome.ended_at, time)
    record = evidence.read_exit(files, token)
    if record and found and record.finished_at and found[-1][0] <= datetime.fromisoformat(record.finished_at):
        return _until(found, "", record.finished_at, datetime.now(UTC))  # over, though nobody has concluded it
    return found


def first_ran(files: Files, token: str) -> datetime | None:
    """When the shard first ran, in whichever of its submissions up to this one; None when it never has."""
    epochs = (epoch for epoch in _epochs(files, token) if epoch <= _epoch(token))
    spans = (ran(files, _with_epoch(token, epoch)) for epoch in epochs)
    return next((each[0][0] for each in spans if each), None)


def starts(files: Files, token: str) -> list[str]:
    """When the submission's job started, by its own account: ISO 8601, oldest first."""
    try:
        lines = files.read(layout.starts(token)).splitlines()
    except FileNotFoundError:
        return []
    return [entry["time"] for entry in map(_entry, lines) if entry and "time" in entry]


def _until(
    found: list[tuple[datetime, datetime | None]], began_at: str, ended_at: str, seen: datetime
) -> list[tuple[datetime, datetime | None]]:
    """The spans of a job whose end was seen at a time; another host's clock counts within what was seen here only."""
    if not found and began_at:
        found = [(min(datetime.fromisoformat(began_at), seen), None)]
    if found and found[-1][1] is None:
        told = datetime.fromisoformat(ended_at) if ended_at else seen
        found[-1] = (found[-1][0], min(max(told, found[-1][0]), seen))
    return found


def _stands(files: Files, shard: str, outcome: Outcome) -> bool:
    if not outcome.ok:
        return False
    try:
        spec = ShardSpec.from_json(files.read(layout.shard_spec(shard)))
        return not evidence.job_problem(files, spec, outcome.token)
    except (FileNotFoundError, codec.SchemaError):
        return False


def _epochs(files: Files, token: str) -> list[int]:
    """The epochs of the token's shard that have a folder, ascending."""
    stem = _with_epoch(token, "")
    tails = (name.removeprefix(stem) for name in files.list(_JOBS) if name.startswith(stem))
    return sorted(int(tail) for tail in tails if tail.isascii() and tail.isdecimal())


def _epoch(token: str) -> int:
    return int(token.rpartition("-e")[2])


def _with_epoch(token: str, epoch: int | str) -> str:
    return f"{token.rpartition('-e')[0]}-e{epoch}"


def _lines(files: Files, token: str) -> Iterator[dict[str, Any]]:
    try:
        content = files.read(layout.history(token))
    except FileNotFoundError:
        return
    yield from filter(None, map(_entry, content.splitlines()))


def _entry(line: bytes) -> dict[str, Any] | None:
    """What a line holds; None for one that was torn by a crash: the next observer writes its state again."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _append(files: LocalFiles, token: str, line: dict[str, Any]) -> None:
    stamped = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **line}
    files.append(layout.history(token), json.dumps(stamped, ensure_ascii=False))


def _short(text: str, length: int) -> str:
    return codec.digest_bytes(text.encode())[:length]
