"""What Slurm is asked, and how its answers are read: one command and one parser each; pure.

Delimited output is what stays the same from Slurm 20.02 on; ``--json`` changes with every release and costs 30 times
the bytes. Job names stand last, because those of the account's other jobs may hold anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from opencompass_ops.clusters.slurm.rows import Ending, Row, node_name
from opencompass_ops.clusters.slurm.states import is_live
from opencompass_ops.errors import UnsureError

_QUEUE_FIELDS = (
    *("JobID", "State", "Reason", "exit_code", "RestartCnt", "NodeList", "Partition", "SubmitTime", "UserName"),
    "Name",
)
_ACCOUNTING_FIELDS = ("JobIDRaw", "State", "ExitCode", "NodeList", "Partition", "Submit", "User", "JobName")
_ALL_STATES = "BF,CA,CD,DL,F,NF,OOM,PD,PR,R,RQ,RS,RV,S,TO"
_IDS_AT_ONCE = 300
_ROW = re.compile(r"\d+\|")
_PARTITION = re.compile(r"^PartitionName=(\S+) .*\bPreemptMode=(\S+)", re.MULTILINE)

SQUEUE = ("squeue", "-h", "-a", "-t", "all", "--me", "-O", ",".join(f"{field}:|" for field in _QUEUE_FIELDS))
"""All jobs of the account, ended ones (for MinJobAge) and those of hidden partitions too; no value is cut."""

SHOW_PARTITIONS = ("scontrol", "show", "partition", "-o")


def sacct_argvs(job_ids: Sequence[str]) -> list[tuple[str, ...]]:
    """Ask accounting about jobs that the queue has forgotten; rc 0 and no row means "not yet" as well as "never"."""
    chunks = (job_ids[start : start + _IDS_AT_ONCE] for start in range(0, len(job_ids), _IDS_AT_ONCE))
    return [(*_sacct(), "-j", ",".join(chunk)) for chunk in chunks]


def sacct_names_argv(names: Sequence[str], hours: int) -> tuple[str, ...]:
    """Ask accounting about jobs whose id is not known.

    Held jobs and such that wait for others do not show; the queue has those.

    :param hours: how long ago the oldest was submitted, at most; without it sacct looks back to midnight only.
    """
    return (*_sacct(), "-S", f"now-{hours}hours", "-E", "now", "-s", _ALL_STATES, f"--name={','.join(names)}")


def parse_squeue(text: str) -> list[Row]:
    """Read the answer to :data:`SQUEUE`; lines that are no rows (a name with a newline) are left out.

    :raises UnsureError: nothing in it is a row; squeue answers rc 0 and half rows when it does not know a field.
    """
    return _rows("squeue", text, len(_QUEUE_FIELDS), _queue_row)


def parse_sacct(text: str) -> list[Row]:
    """Read the answer to :func:`sacct_argvs` or :func:`sacct_names_argv`.

    :raises UnsureError: nothing in it is a row.
    """
    return _rows("sacct", text, len(_ACCOUNTING_FIELDS), _accounting_row)


def parse_partitions(text: str) -> frozenset[str]:
    """Read the answer to :data:`SHOW_PARTITIONS`: the partitions whose jobs may have to make room."""
    return frozenset(name for name, mode in _PARTITION.findall(text) if mode != "OFF")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the jobs with one token is the job.

    :param row: None when none is.
    :param surplus: live duplicates of it, to be cancelled.
    """

    row: Row | None
    surplus: tuple[Row, ...] = ()


def choose(rows: Sequence[Row], recorded_id: str = "", holder: str = "") -> Choice:
    """Pick the job among the rows of one token: who holds the claim, else the recorded one, else one that lives.

    A row that is over, was not recorded and holds no claim is never adopted: a refused submission leaves such a row,
    and an id that was given out again another.

    :param rows: of one token; the first one counts where an id comes twice.
    :param recorded_id: the id that sbatch answered, "" when the answer is not known.
    :param holder: id of the job that has claimed the token, "" for none.
    """
    by_id = {row.job_id: row for row in reversed(rows)}
    live = sorted((row for row in by_id.values() if is_live(row)), key=_seniority)
    row = by_id.get(holder) if holder else by_id.get(recorded_id) or next(iter(live), None)
    return Choice(row, tuple(other for other in live if other is not row))


def _seniority(row: Row) -> tuple[bool, int]:
    return not row.started, int(row.job_id)


def _sacct() -> tuple[str, ...]:
    return ("sacct", "-X", "-n", "-P", "-o", ",".join(_ACCOUNTING_FIELDS))


def _rows(command: str, text: str, width: int, read: Callable[[list[str]], Row | None]) -> list[Row]:
    lines = [line for line in text.split("\n") if line.strip()]
    whole = [line for line in lines if _ROW.match(line) and line.count("|") >= width - 1]
    if lines and not whole:
        raise UnsureError(f"{command} answered what is no list of jobs: {lines[0][:200]!r}; run it by hand")
    found: Iterable[Row | None] = (read(line.split("|", width - 1)) for line in whole)
    return [row for row in found if row]


def _queue_row(fields: list[str]) -> Row | None:
    job_id, state, reason, ending, restarts, node, partition, submitted, user, name = fields
    if not name.endswith("|") or not state:
        return None
    return Row(
        job_id=job_id,
        name=name[:-1],
        state=state,
        reason=_reason(reason),
        ending=Ending.from_text(ending),
        restarts=int(restarts) if restarts.isascii() and restarts.isdecimal() else 0,
        node=node_name(node),
        partition=partition,
        submitted=submitted,
        user=user,
    )


def _accounting_row(fields: list[str]) -> Row | None:
    job_id, state, ending, node, partition, submitted, user, name = fields
    if not state:
        return None
    return Row(
        job_id=job_id,
        name=name,
        state=state,
        ending=Ending.from_text(ending),
        node=node_name(node),
        partition=partition,
        submitted=submitted,
        user=user,
    )


def _reason(text: str) -> str:
    return "" if text in ("None", "(null)", "N/A") else text
