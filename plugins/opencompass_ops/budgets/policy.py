"""Which shards may go on, from what they have used and what is left; pure.

Two kinds of limits. Those on the **clock** stop a shard, or everything of a run, when its time is over. Those on
**GPU-hours** stop the newest shards first, and no more of them than needed: what is left goes to the oldest, which have
least to lose by being let end. A shard is begun only if what is left covers what the shards before it and it are
expected to take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Use:
    """What one shard of a run has used since the run's launch.

    :param name: of its job.
    :param began: when it first ran, seconds since 1970; of one that has not: now.
    :param seconds: it has run, all of its jobs added up.
    :param gpus: devices that it holds.
    :param expected: seconds that it was planned to take, 0 when nobody knows.
    """

    name: str
    began: float
    seconds: float
    gpus: int
    expected: float = 0.0

    def need(self, tick: float) -> float:
        """GPU-seconds that it is expected to take from now on; one that is late goes on for a tick."""
        return self.gpus * max(self.expected - self.seconds, tick)


@dataclass(frozen=True)
class Clock:
    """Limits on the time of the wall.

    :param shard: seconds that a shard may run; None for no limit.
    :param run: seconds from the run's launch to its end; None for no limit.
    """

    shard: float | None
    run: float | None

    def over(self, use: Use, launched: float, now: float) -> str:
        """Which limit the shard has met: ``shard``, ``run`` or "" for none.

        :param launched: when the run was, seconds since 1970.
        """
        if self.shard is not None and use.seconds >= self.shard:
            return "shard"
        return "run" if self.run is not None and now - launched >= self.run else ""


@dataclass(frozen=True)
class Met:
    """A limit that was met.

    :param kind: whose it is, see :mod:`opencompass_ops.budgets.site`.
    :param limit: in words.
    """

    kind: str
    limit: str


def newest_first(uses: Sequence[Use], left: float, tick: float) -> tuple[str, ...]:
    """The shards that have to stop, newest first, for the others to end within what is left.

    The oldest goes on until nothing is left at all: nobody knows exactly how long it takes.

    :param uses: those that run under the limit.
    :param left: GPU-seconds.
    :param tick: seconds until this is asked again.
    """
    order = sorted((use for use in uses if use.gpus), key=lambda use: (use.began, use.name))
    stopped: list[str] = []
    while order and (left <= 0 or (len(order) > 1 and sum(use.need(tick) for use in order) > left)):
        stopped.append(order.pop().name)
    return tuple(stopped)


def may_begin(use: Use, running: Sequence[Use], left: float, tick: float) -> bool:
    """Whether a shard is to be submitted beside those that run; alone it may as long as anything is left."""
    if not use.gpus:
        return True
    others = sum(other.need(tick) for other in running)
    return left > 0 and (not others or others + use.need(tick) <= left)
