"""Why a job waits: which of Slurm's reasons pass, which never do, and which need a person; pure.

Slurm accepts impossible requests (``-c 1000``, more nodes than the partition has) and lets them wait for ever.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Wait(str, Enum):
    """What a pending reason means for whoever waits."""

    # PASSING: time or other jobs will change it.
    # HELD: nothing happens until a person acts.
    # IMPOSSIBLE: this request can never start here.
    # BROKEN: Slurm gave up launching it; the request is fine.
    # UNKNOWN: not in our tables; shown, never acted upon.
    PASSING = "passing"
    HELD = "held"
    IMPOSSIBLE = "impossible"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One pending reason, understood.

    :param words: for people, with the next step where there is one.
    """

    kind: Wait
    words: str


_PASSING = frozenset(
    {
        "AccountingPolicy",
        "AssociationJobLimit",
        "AssociationResourceLimit",
        "AssociationTimeLimit",
        "BeginTime",
        "BurstBufferResources",
        "BurstBufferStageIn",
        "Cleaning",
        "Dependency",
        "FedJobLock",
        "FrontEndDown",
        "JobArrayTaskLimit",
        "Licenses",
        "MaxPoweredUpNodes",
        "MpiPortsBusy",
        "NodeDown",
        "PartitionDown",
        "PartitionInactive",
        "Priority",
        "Prolog",
        "QOSJobLimit",
        "QOSResourceLimit",
        "QOSTimeLimit",
        "QOSUsageThreshold",
        "ReqNodeNotAvail",
        "Reservation",
        "Resources",
        "SchedDefer",
        "Singleton",
    }
)
_PASSING_LIMIT = re.compile(r"(QOS|Assoc)Grp\w+|(QOS)?Max\w+Per(User|Account)(Limit)?|AssocMax(Submit)?Jobs?Limit")

_IMPOSSIBLE = {
    "PartitionNodeLimit": "it asks for more or fewer nodes than the partition allows; ask for others or change the "
    "partition",
    "PartitionTimeLimit": "its time limit is longer than the partition's; lower limits.minutes or change the partition",
    # Slurm says this at first, and up to a minute later what exactly it is.
    "PartitionConfig": "no node of the partition has so many CPUs, GPUs or so much memory, or its time limit is "
    "shorter; ask for less or change the partition",
    "BadConstraints": "no node fits its constraint, GPUs or memory; correct the model's run_cfg or the cluster's "
    "resources",
    "DependencyNeverSatisfied": "the job it depends on ended otherwise; submit it again",
    "AccountNotAllowed": "its account may not use the partition; correct account or partition",
    "InvalidAccount": "its account does not exist or is not yours; correct account",
    "QOSNotAllowed": "its account or the partition does not allow its QOS; correct qos",
    "InvalidQOS": "its QOS does not exist or is not yours; correct qos",
    "MaxMemPerLimit": "it asks for more memory per CPU or node than the partition allows; lower mem",
    "ReservationInvalid": "its reservation does not exist or does not admit it; correct reservation",
    "ReservationDeleted": "its reservation was deleted; correct reservation",
    "JobHeldAdmin": "an administrator holds it; ask them why, then run the shard again",
}
_IMPOSSIBLE_LIMIT = re.compile(r"(QOS|Assoc)Max\w+Per(Job|Node)(Limit)?|QOSMin\w+")

_HELD = {
    "JobHeldUser": "somebody holds it; scontrol release it or cancel it",
    "job requeued in held state": "it was put back and is held; scontrol release it or cancel it",
}
_BROKEN = {
    "launch failed requeued held": "it could not be launched and Slurm holds it",
    "JobHoldMaxRequeue": "it could not be launched too often and Slurm holds it",
}


def waiting(reason: str) -> Waiting:
    """What a pending job waits for.

    :param reason: as squeue or scontrol gives it, "" for none.
    """
    # Slurm appends names ("ReqNodeNotAvail, UnavailableNodes:n01"); scontrol writes _ for spaces.
    name = re.split(r"[,(]", reason.strip("() "), maxsplit=1)[0].strip().replace("_", " ")
    if not name or name == "None":
        return Waiting(Wait.PASSING, "")
    if name in _PASSING or _PASSING_LIMIT.fullmatch(name):
        return Waiting(Wait.PASSING, f"waiting: {reason}")
    if name in _IMPOSSIBLE:
        return Waiting(Wait.IMPOSSIBLE, f"it can never start: {_IMPOSSIBLE[name]} ({name})")
    if _IMPOSSIBLE_LIMIT.fullmatch(name):
        limit = "it breaks a limit of its QOS or account; ask for less"
        return Waiting(Wait.IMPOSSIBLE, f"it can never start: {limit} ({name})")
    if name in _HELD:
        return Waiting(Wait.HELD, f"nothing happens until somebody acts: {_HELD[name]} ({name})")
    if name in _BROKEN:
        return Waiting(Wait.BROKEN, f"{_BROKEN[name]} ({name})")
    return Waiting(Wait.UNKNOWN, f"waiting for a reason that is not known here: {reason}; look with scontrol show job")
