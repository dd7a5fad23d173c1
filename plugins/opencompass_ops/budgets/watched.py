"""A job as its limits see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from opencompass_ops.budgets.hours import by_day
from opencompass_ops.budgets.policy import Clock, Use
from opencompass_ops.budgets.site import RUN, Scope
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import PlannedLimits
from opencompass_ops.results.rows import UsageRow


@dataclass(eq=False)
class Watched:
    """One submission of a shard.

    :param limits: of its run.
    :param gpus: devices that it holds.
    :param expected: seconds that the shard was planned to take.
    :param before: seconds that earlier submissions of the shard ran since the run's launch.
    :param stop: stops the job; called with the reason.
    :param since: when it began to run, seconds since 1970; None while it waits.
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
    stop: Callable[[str], Awaitable[None]]
    since: float | None = None
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

    def use(self, now: float) -> Use:
        """What the shard has used until now."""
        ran = 0.0 if self.since is None else max(now - self.since, 0.0)
        began = now if self.since is None else self.since
        return Use(self.token, began, self.before + ran, self.gpus, self.expected)

    def rows(self, now: float) -> list[UsageRow]:
        """What it has used, for the ledger; nothing without GPUs."""
        if self.since is None or not self.gpus:
            return []
        return [
            UsageRow(
                token=self.token, day=day, owner=self.limits.user, series=self.limits.series, run_dir=self.run_dir,
                cluster=self.cluster, gpus=self.gpus, gpu_seconds=self.gpus * seconds,
            )
            for day, seconds in by_day(self.since, now).items()
        ]  # fmt: skip

    def own_scopes(self) -> tuple[Scope, ...]:
        """The run's own limit on GPU-hours."""
        limit = self.limits.gpu_seconds
        return () if limit is None else (Scope(RUN, self.run_dir, "", limit),)
