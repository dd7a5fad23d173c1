"""What a failed ``sbatch`` means: refused for good, asked too much for now, or nobody knows; pure."""

from __future__ import annotations

from enum import Enum

# Messages of sbatch 22.05, seen, and of slurm_errno.c; lower case.
_UNSURE = (
    "socket timed out",
    "unable to contact",
    "connection refused",
    "connection timed out",
    "transport endpoint",
    "zero bytes were transmitted",
    "unexpected message received",
    "communication",
    "temporarily unable",
    "i/o error",
)
_BUSY = (
    "submitjoblimit",  # AssocMaxSubmitJobLimit, AssocGrpSubmitJobsLimit
    "submitjobslimit",
    "submitjobperuserlimit",  # QOSMaxSubmitJobPerUserLimit
    "maxsubmitjob",
    "job submit limit exceeded",
    "partition not available",
    "reservation is not usable",
    "in standby mode",
)


class Refusal(str, Enum):
    """What to do after sbatch said no."""

    # PERMANENT: the same request would be refused again.
    # BUSY: a quota is used up or a door is closed for now; ask again later.
    # UNSURE: the controller may have taken the job all the same.
    PERMANENT = "permanent"
    BUSY = "busy"
    UNSURE = "unsure"


def refusal(code: int, said: str) -> Refusal:
    """What sbatch's return code and words mean; what nobody has seen before is UNSURE.

    :param code: sbatch's return code; 124 and above 128 when it was stopped.
    :param said: its stderr.
    """
    words = said.lower()
    if code >= 124 and code != 255:
        return Refusal.UNSURE
    if any(message in words for message in _UNSURE):
        return Refusal.UNSURE
    if any(message in words for message in _BUSY):
        return Refusal.BUSY
    if "error:" in words or "allocation failure" in words or "invalid" in words or "unrecognized option" in words:
        return Refusal.PERMANENT
    return Refusal.UNSURE


def in_words(said: str) -> str:
    """sbatch's stderr in one line, without its own name in front of each."""
    lines = (
        line.removeprefix("sbatch: ").removeprefix("error: ").removeprefix("allocation failure: ").strip()
        for line in said.splitlines()
    )
    return "; ".join(line for line in lines if line)
