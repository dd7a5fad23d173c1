"""What Slurm and the batch script say about one job, before anything is concluded from it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_HALVES = re.compile(r"(\d{1,5}):(\d{1,5})")
_NO_NODE = frozenset({"", "(null)", "None assigned", "N/A", "n/a"})


@dataclass(frozen=True, slots=True)
class Ending:
    """Both halves of Slurm's exit code; reading only the first takes a killed job for a good one.

    :param code: what the job's main process returned.
    :param signal: what killed it, 0 when nothing did.
    """

    code: int
    signal: int = 0

    @classmethod
    def from_text(cls, text: str) -> Ending | None:
        """Read ``3:0`` (sacct, scontrol) or the raw wait status ``768`` (squeue); None for anything else.

        sacct takes 128 away from codes above 127, so ``15:0`` may be 143; squeue and scontrol tell the truth.
        """
        halves = _HALVES.fullmatch(text)
        if halves:
            return cls(int(halves[1]), int(halves[2]))
        if not (text.isascii() and text.isdecimal()) or len(text) > 10:
            return None
        status = int(text)
        # As wait(2) has it: seven bits of signal, and a code only where there is no signal.
        return cls(0, status & 0x7F) if status & 0x7F else cls(status >> 8 & 0xFF)

    @property
    def number(self) -> int:
        """The code, or the negative signal."""
        return -self.signal if self.signal else self.code


@dataclass(frozen=True, slots=True)
class Row:
    """One job as squeue, sacct or scontrol shows it.

    :param state: as Slurm writes it: ``RUNNING``, ``CG``, ``CANCELLED by 1001``, ``COMPLETED,COMPLETING``.
    :param reason: why it waits or why it ended, "" for none.
    :param ending: both halves of the exit code, None when not told.
    :param restarts: how often Slurm requeued it; 0 also where sacct does not tell.
    :param node: where it runs or ran, "" when it never started.
    :param submitted: ISO 8601 in the cluster's local time; another one after a requeue.
    """

    job_id: str
    name: str
    state: str
    reason: str = ""
    ending: Ending | None = None
    restarts: int = 0
    node: str = ""
    partition: str = ""
    submitted: str = ""
    user: str = ""

    @property
    def token(self) -> str:
        """What our job names end in; of a foreign job just its name or the end of it."""
        return self.name.rpartition(".")[2]

    @property
    def started(self) -> bool:
        """Whether it ever had a node; a refused submission leaves a FAILED row that had none."""
        return bool(self.node)


@dataclass(frozen=True, slots=True)
class End:
    """What the batch script wrote last, one line of JSON.

    :param returncode: of the job's command; 128 + N when signal N ended it.
    :param why: what kept the command from being started, "" when it was.
    """

    job_id: str
    restart: int
    returncode: int
    why: str = ""
    node: str = ""

    @classmethod
    def from_text(cls, text: str) -> End | None:
        """Read the record; None when it is not whole."""
        try:
            end = cls(**json.loads(text))
        except (TypeError, ValueError):
            return None
        texts, counts = (end.job_id, end.why, end.node), (end.restart, end.returncode)
        whole = all(isinstance(each, str) for each in texts) and all(type(each) is int for each in counts)
        return end if whole else None


def node_name(text: str) -> str:
    """A node list as Slurm shows it; "" where it says in its own ways that there is none."""
    return "" if text.strip() in _NO_NODE else text.strip()
