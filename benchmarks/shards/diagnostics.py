"""What ``sdiag`` and ``sacctmgr show stats`` count, and what the triggerer's log says of its event loop; pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

QUERY = "REQUEST_JOB_USER_INFO"
"""What squeue --me asks; two smaller requests, for partitions and for federations, go with it."""
SUBMISSIONS = ("REQUEST_SUBMIT_BATCH_JOB", "REQUEST_RESOURCE_ALLOCATION")
CANCELLATIONS = ("REQUEST_KILL_JOB", "REQUEST_CANCEL_JOB_STEP")
ACCOUNTING = "DBD_GET_JOBS_COND"
"""What sacct asks of slurmdbd."""

_COUNT = re.compile(r"^\t(\S+) +\( *(\d+)\) +count:(\d+)", re.MULTILINE)
_STALL = re.compile(r"^(\S+Z) .*async thread was blocked for (\d+\.\d+) seconds", re.MULTILINE)


@dataclass(frozen=True)
class Rpcs:
    """Remote procedure calls since the last reset.

    :param kinds: by message type, of everybody, slurmd included.
    :param users: by numeric user id.
    """

    kinds: Mapping[str, int]
    users: Mapping[int, int]

    @classmethod
    def parse(cls, text: str) -> Rpcs:
        """Read the output of ``sdiag`` or ``sacctmgr show stats``."""
        _, _, rest = text.partition("statistics by message type")
        kinds, _, users = rest.partition("statistics by user")
        return cls(
            kinds=Counter({name: int(count) for name, _, count in _COUNT.findall(kinds)}),
            users=Counter({int(uid): int(count) for _, uid, count in _COUNT.findall(users)}),
        )


@dataclass(frozen=True)
class Stall:
    """The event loop did nothing else for a while.

    :param at: when it was over, in seconds since the epoch.
    :param seconds: how long.
    """

    at: float
    seconds: float


def stalls(log: str, watchdog_pause: float = 0.1) -> list[Stall]:
    """The stalls of the event loop that the triggerer's watchdog reported.

    :param watchdog_pause: seconds that it sleeps between two looks, which its figures contain.
    """
    return [
        Stall(datetime.fromisoformat(time).timestamp(), round(float(seconds) - watchdog_pause, 2))
        for time, seconds in _STALL.findall(log)
    ]
