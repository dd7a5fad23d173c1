"""One status query per cluster and interval, however many wait."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary, WeakValueDictionary

from opencompass_ops.clusters.base import Cluster, JobState, JobStatus
from opencompass_ops.clusters.config import Account, ClusterConfig
from opencompass_ops.clusters.registry import open_cluster
from opencompass_ops.contract.records import Heartbeat
from opencompass_ops.errors import UnsureError

log = logging.getLogger(__name__)

OnStatus = Callable[[JobStatus], None]

_FIRST_SECONDS = {"local": 0.5}
_REMOTE_FIRST_SECONDS = 5.0
_GROWTH = 1.5
_UNKNOWN_SECONDS = 300.0
_MAX_BACKOFF_SECONDS = 60.0
_COMPLAIN_SECONDS = 60.0

_clusters: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Cluster]] = WeakKeyDictionary()
_pollers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Account, Poller]] = WeakKeyDictionary()


def cluster_for(config: ClusterConfig) -> Cluster:
    """The one cluster of this event loop for the config: who submits, finds and cancels."""
    clusters = _clusters.setdefault(asyncio.get_running_loop(), {})
    if config.digest not in clusters:
        clusters[config.digest] = open_cluster(config)
    return clusters[config.digest]


def poller_for(config: ClusterConfig) -> Poller:
    """The one poller of this event loop for the config's account; the first config of it sets the intervals."""
    pollers = _pollers.setdefault(asyncio.get_running_loop(), {})
    if config.account not in pollers:
        first = _FIRST_SECONDS.get(config.kind, _REMOTE_FIRST_SECONDS)
        pollers[config.account] = Poller(cluster_for(config), interval=config.poll_seconds, first=first)
    return pollers[config.account]


@dataclass(eq=False)
class _Waiter:
    token: str
    future: asyncio.Future[JobStatus]
    on_status: OnStatus | None
    state: JobState | None = None
    progress: Heartbeat | None = None
    unknown_for: float = 0.0


class Poller:
    """Asks for all waiting tokens at once, as long as anybody waits.

    :param cluster: whom to ask.
    :param interval: longest time between two queries, in seconds.
    :param first: shortest time between two queries, in seconds, after a change and for newcomers; it grows while
        nothing changes.
    :param unknown_after: seconds of continuous UNKNOWN after which a job counts as LOST; accounting
        may lag behind (Slurm: 5 s), and a cluster never forgets a live job for so long.
    """

    def __init__(
        self, cluster: Cluster, *, interval: float, first: float, unknown_after: float = _UNKNOWN_SECONDS
    ) -> None:
        self._cluster = cluster
        self._interval = interval
        self._first = min(first, interval)
        self._unknown_after = unknown_after
        self._waiters: list[_Waiter] = []
        self._gates: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._asked_at: float | None = None
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

        :param on_status: called with each new state, progress or piece of log, in the poller's task; must return at
            once.
        :returns: a terminal status.
        """
        waiter = _Waiter(token, asyncio.get_running_loop().create_future(), on_status)
        self._waiters.append(waiter)
        self._news.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"poll {type(self._cluster).__name__}")
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
        delay = self._first
        self._answered_at = None
        await self._keep_distance()
        while True:
            self._news.clear()
            self._asked_at = _now()
            try:
                statuses = await self._cluster.poll(sorted({waiter.token for waiter in self._waiters}))
                changed = await self._deliver(statuses)
                delay = self._first if changed else min(delay * _GROWTH, self._interval)
            except UnsureError as error:
                self._complain(error)
                delay = min(delay * 2, max(_MAX_BACKOFF_SECONDS, self._interval))
            if await self._sleep(delay * random.uniform(0.9, 1.1)):  # noqa: S311  # jitter, not a secret
                delay = self._first

    async def _sleep(self, seconds: float) -> bool:
        """Wait; cut short, and True, when somebody new came."""
        try:
            # Not wait_for: before Python 3.12 it swallows a cancel that comes together with the news.
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return False
        await self._keep_distance()
        return True

    async def _keep_distance(self) -> None:
        """A wave of newcomers is one query, not one each."""
        if self._asked_at is not None:
            await asyncio.sleep(max(0.0, self._asked_at + self._first - _now()))

    async def _deliver(self, statuses: Mapping[str, JobStatus]) -> bool:
        """Tell the waiters; whether any state is new."""
        now = _now()
        # Time in which nobody answered is no absence of the job.
        elapsed = 0.0 if self._answered_at is None else now - self._answered_at
        self._answered_at = now
        changed = False
        for waiter in list(self._waiters):
            if waiter.token in statuses and not waiter.future.done():
                changed |= self._tell(waiter, statuses[waiter.token], elapsed)
                await asyncio.sleep(0)  # they write files, and hundreds may be told at once
        return changed

    def _tell(self, waiter: _Waiter, status: JobStatus, elapsed: float) -> bool:
        still_unknown = status.state is waiter.state is JobState.UNKNOWN
        waiter.unknown_for = waiter.unknown_for + elapsed if still_unknown else 0.0
        if waiter.unknown_for >= self._unknown_after:
            status = JobStatus(
                JobState.LOST, f"unknown for {waiter.unknown_for:.0f} s: {status.reason}", None, status.job_id
            )
        changed = status.state is not waiter.state
        is_news = changed or bool(status.log) or status.progress != waiter.progress
        waiter.state, waiter.progress = status.state, status.progress
        try:
            if is_news and waiter.on_status:
                waiter.on_status(status)
        except Exception as error:  # whoever brought the callback gets its error, the others do not
            waiter.future.set_exception(error)
            return changed
        if status.state.is_terminal:
            waiter.future.set_result(status)
        return changed

    def _complain(self, error: UnsureError) -> None:
        now = _now()
        self._answered_at = None
        if self._complained_at is None or now - self._complained_at >= _COMPLAIN_SECONDS:
            self._complained_at = now
            log.warning("no answer about %d jobs, no state changes: %s", len(self._waiters), error)


def _now() -> float:
    return asyncio.get_running_loop().time()
