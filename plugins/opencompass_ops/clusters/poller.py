"""One status query per cluster and interval, however many wait."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary, WeakValueDictionary

from opencompass_ops.clusters.base import Cluster, JobState, JobStatus
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.registry import open_cluster
from opencompass_ops.errors import UnsureError

log = logging.getLogger(__name__)

OnStatus = Callable[[JobStatus], None]

_FIRST_SECONDS = 0.5
_GROWTH = 1.5
_UNKNOWN_SECONDS = 300.0
_MAX_BACKOFF_SECONDS = 60.0
_COMPLAIN_SECONDS = 60.0

_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Poller]] = WeakKeyDictionary()


def poller_for(config: ClusterConfig) -> Poller:
    """The one poller of this event loop for the cluster."""
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    if config.digest not in pollers:
        pollers[config.digest] = Poller(open_cluster(config), interval=config.poll_seconds)
    return pollers[config.digest]


@dataclass(eq=False)
class _Waiter:
    token: str
    future: asyncio.Future[JobStatus]
    on_status: OnStatus | None
    state: JobState | None = None
    unknown_for: float = 0.0


class Poller:
    """Asks for all waiting tokens at once, as long as anybody waits.

    :param cluster: whom to ask.
    :param interval: longest time between two queries, in seconds; shorter while states change.
    :param unknown_after: seconds of continuous UNKNOWN after which a job counts as LOST; accounting
        may lag behind (Slurm: 5 s), and a cluster never forgets a live job for so long.
    """

    def __init__(self, cluster: Cluster, *, interval: float, unknown_after: float = _UNKNOWN_SECONDS) -> None:
        self.cluster = cluster
        self._interval = interval
        self._unknown_after = unknown_after
        self._waiters: list[_Waiter] = []
        self._gates: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._answered_at: float | None = None
        self._complained_at: float | None = None

    def gate(self, group: str) -> asyncio.Lock:
        """Whoever holds it asks for admission; the others of the group queue in order and ask nobody."""
        lock = self._gates.get(group)
        if lock is None:
            lock = self._gates[group] = asyncio.Lock()
        return lock

    async def wait(self, token: str, on_status: OnStatus | None = None) -> JobStatus:
        """Wait until the job is over.

        :param on_status: called with each new state, in the poller's task; must return at once.
        :returns: a terminal status.
        """
        waiter = _Waiter(token, asyncio.get_running_loop().create_future(), on_status)
        self._waiters.append(waiter)
        self._news.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"poll {type(self.cluster).__name__}")
        try:
            return await waiter.future
        finally:
            self._waiters.remove(waiter)
            if not self._waiters and self._task:
                self._task.cancel()
                self._task = None

    async def _run(self) -> None:
        try:
            await self._poll_for_ever()
        except Exception as error:  # the edge of a task: every waiter gets it
            for waiter in self._waiters:
                if not waiter.future.done():
                    waiter.future.set_exception(error)

    async def _poll_for_ever(self) -> None:
        delay = first = min(_FIRST_SECONDS, self._interval)
        self._answered_at = None
        while True:
            self._news.clear()
            try:
                changed = self._deliver(await self.cluster.poll(sorted({waiter.token for waiter in self._waiters})))
                delay = first if changed else min(delay * _GROWTH, self._interval)
            except UnsureError as error:
                self._complain(error)
                delay = min(delay * 2, max(_MAX_BACKOFF_SECONDS, self._interval))
            if await self._sleep(delay * random.uniform(0.9, 1.1)):  # noqa: S311  # jitter, not a secret
                delay = first

    async def _sleep(self, seconds: float) -> bool:
        """Wait; cut short, and True, when somebody new came."""
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return False
        # A wave of newcomers is one query, not one each.
        await asyncio.sleep(min(_FIRST_SECONDS, self._interval) / 5)
        return True

    def _deliver(self, statuses: Mapping[str, JobStatus]) -> bool:
        """Tell the waiters; whether any state is new."""
        now = asyncio.get_running_loop().time()
        # Time in which nobody answered is no absence of the job.
        elapsed = 0.0 if self._answered_at is None else now - self._answered_at
        self._answered_at = now
        changed = False
        for waiter in self._waiters:
            if waiter.token in statuses and not waiter.future.done():
                changed |= self._tell(waiter, statuses[waiter.token], elapsed)
        return changed

    def _tell(self, waiter: _Waiter, status: JobStatus, elapsed: float) -> bool:
        still_unknown = status.state is waiter.state is JobState.UNKNOWN
        waiter.unknown_for = waiter.unknown_for + elapsed if still_unknown else 0.0
        if waiter.unknown_for >= self._unknown_after:
            status = JobStatus(
                JobState.LOST, f"unknown for {waiter.unknown_for:.0f} s: {status.reason}", None, status.job_id
            )
        changed = status.state is not waiter.state
        waiter.state = status.state
        try:
            if changed and waiter.on_status:
                waiter.on_status(status)
        except Exception as error:  # whoever brought the callback gets its error, the others do not
            waiter.future.set_exception(error)
            return changed
        if status.state.is_terminal:
            waiter.future.set_result(status)
        return changed

    def _complain(self, error: UnsureError) -> None:
        now = asyncio.get_running_loop().time()
        self._answered_at = None
        if self._complained_at is None or now - self._complained_at >= _COMPLAIN_SECONDS:
            self._complained_at = now
            log.warning("no answer about %d jobs, no state changes: %s", len(self._waiters), error)
