"""A job as its limits see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from opencompass_ops.budgets.hours import by_day
from opencompass_ops.budgets.policy import Clock, Use
from opencompass_ops.budgets.site import RUN, SERIES, Scope
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import PlannedLimits
from opencompass_ops.results.rows import MeteredRow, UsageRow


@dataclass(eq=False)
class Watched:
    """One submission of a shard.

    :param limits: of its run.
    :param gpus: devices that it holds.
    :param expected: seconds that the shard was planned to take.
    :param before: seconds that earlier submissions of the shard ran since the run's launch.
    :param first: when the shard first ran, in whichever submission, seconds since 1970; None when it has not.
    :param stop: stops the job; called with the reason.
    :param spans: when it ran: begins and ends, seconds since 1970; the last end is None while it runs. More than one
        where the cluster put it back into its queue.
    :param asked: which limit it was stopped for, "" while it is not.
    :param is_admitted: whether it was found to be within its limits and goes to the cluster.
    """

    token: str
    shard: str
    label: str
    run_dir: str
    files: LocalFiles
    limits: PlannedLimits
    cluster: str
    gpus: int
    expected: float
    before: float
    first: float | None
    stop: Callable[[str], Awaitable[None]]
    spans: list[tuple[float, float | None]] = field(default_factory=list)
    asked: str = ""
    is_admitted: bool = False

    @property
    def clock(self) -> Clock:
        """Its limits on the time of the wall."""
        return Clock(self.limits.shard_seconds, self.limits.run_seconds)

    @property
    def launched(self) -> float:
        """When its run was launched, seconds since 1970; of one without limits on the clock: never."""
        if not self.limits.launched:
            return float("inf")
        return datetime.fromisoformat(self.limits.launched).timestamp()

    @property
    def is_running(self) -> bool:
        """Whether it holds what it was given, for all that is known."""
        return bool(self.spans) and self.spans[-1][1] is None

    def use(self, now: float) -> Use:
        """What the shard has used until now."""
        ran = sum(max(end - begin, 0.0) for begin, end in self._ended(now))
        begun = [each for each in (self.first, *(begin for begin, _ in self.spans[:1])) if each is not None]
        return Use(self.token, min(begun, default=now), self.before + ran, self.gpus, self.expected)

    def metered(self, now: float) -> MeteredRow:
        """What other processes should know of it."""
        use, limits = self.use(now), self.limits
        return MeteredRow(
            token=self.token, owner=limits.user, series=limits.series, run_dir=self.run_dir, gpus=self.gpus,
            began=use.began, seconds=use.seconds, expected=use.expected, seen_at=now,
        )  # fmt: skip

    def rows(self, now: float) -> list[UsageRow]:
        """What it has used, for the ledger; nothing without GPUs."""
        if not self.gpus:
            return []
        ran: Counter[str] = Counter()
        for begin, end in self._ended(now):
            ran.update(by_day(begin, end))
        return [
            UsageRow(
                token=self.token, day=day, owner=self.limits.user, series=self.limits.series, run_dir=self.run_dir,
                cluster=self.cluster, gpus=self.gpus, gpu_seconds=self.gpus * seconds,
            )
            for day, seconds in ran.items()
        ]  # fmt: skip

    def _ended(self, now: float) -> list[tuple[float, float]]:
        """The spans as if it stopped now."""
        return [(begin, now if end is None else end) for begin, end in self.spans]

    def own_scopes(self) -> tuple[Scope, ...]:
        """The limits on GPU-hours that its run and its series say of themselves."""
        return own_scopes(self.limits, self.run_dir)


def own_scopes(limits: PlannedLimits, run_dir: str) -> tuple[Scope, ...]:
    """The limits on GPU-hours that a run and its series say of themselves."""
    said = ((RUN, run_dir, limits.gpu_seconds), (SERIES, limits.series, limits.series_gpu_seconds))
    return tuple(Scope(kind, name, "", limit) for kind, name, limit in said if limit is not None)
