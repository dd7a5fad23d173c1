"""Watches the jobs that this process sees through: books what they use, and stops those whose limit is met.

The trigger and the command line see jobs through by one coroutine, so both are metered here. Processes agree through
the ledger: each books its own jobs once a tick, and reads what all have used and which jobs the others have, so that
all come to the same end; each stops its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from opencompass_ops.budgets import events, hours, ledger, policy
from opencompass_ops.budgets.ledger import Standing
from opencompass_ops.budgets.policy import Met
from opencompass_ops.budgets.site import CLOCK, Scope, Site, site
from opencompass_ops.budgets.watched import Watched
from opencompass_ops.clusters.judgement import STOPPED_BY_LIMIT
from opencompass_ops.errors import ConfigError, OpsError
from opencompass_ops.results.rows import MeteredRow, UsageRow
from opencompass_ops.results.store import Store

log = logging.getLogger(__name__)

TICK = "OPENCOMPASS_OPS_BUDGET_TICK"
"""Seconds between two looks at the limits, where the usual ones will not do."""
_USUAL_TICK = 30.0
_SILENT_SECONDS = 90.0
"""A process that has booked nothing for so long, and for some ticks, is not there any more."""

NOT_BEGUN = "not begun because of a limit: "


class Meter:
    """The meter of one process and one results database.

    :param url: of the results database; None keeps to limits on the clock.
    """

    def __init__(self, url: str | None) -> None:
        self._url = url
        self.loop = asyncio.get_running_loop()
        self._tick = float(os.environ.get(TICK, _USUAL_TICK))
        self._site = _site(Site())
        self._watched: list[Watched] = []
        self._ended: list[UsageRow] = []
        self._task: asyncio.Task[None] | None = None
        self._over: set[str] = set()
        self._standing: dict[Scope, Standing] = {}
        self._looked_at = 0.0
        self._looking = asyncio.Lock()

    @asynccontextmanager
    async def watching(self, watched: Watched) -> AsyncIterator[None]:
        """While inside, the job is metered and stopped when a limit is met."""
        self._watched.append(watched)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="meter")
        try:
            yield
        finally:
            self._watched.remove(watched)
            self._ended += watched.rows(time.time())
            self._over |= {watched.token} if watched.gpus else set()
            if not self._watched and self._task:
                self._task.cancel()
                self._task = None
                await self._look(at_most_old=0.0)

    async def refusal(self, watched: Watched) -> Met | None:
        """The limit for which a job is not to be submitted; None when it may be."""
        now = time.time()
        use = watched.use(now)
        met = watched.clock.over(use, watched.launched, now)
        if met:
            return _clock(watched, met)
        if not watched.gpus:
            watched.is_admitted = True
            return None
        scopes = self._scopes(watched)
        await self._look(at_most_old=self._tick if all(scope in self._standing for scope in scopes) else 0.0)
        for scope in scopes:
            stands = self._standing.get(scope, Standing(scope.limit))
            begun = [other.use(now) for other in self._of(scope) if other.is_admitted and other is not watched]
            if not policy.may_begin(use, [*begun, *stands.others], stands.left, self._tick):
                return Met(scope.kind, str(scope))
        watched.is_admitted = True
        return None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._tick)
            await self._look(at_most_old=0.0)
            now = time.time()
            await self._stop([(job, _clock(job, met)) for job, met in self._overdue(now)])
            await self._stop(self._overdrawn(now))

    def _overdue(self, now: float) -> list[tuple[Watched, str]]:
        newest_first = sorted(self._jobs(), key=lambda job: job.use(now).began, reverse=True)
        found = ((job, job.clock.over(job.use(now), job.launched, now)) for job in newest_first)
        return [(job, met) for job, met in found if met]

    def _overdrawn(self, now: float) -> list[tuple[Watched, Met]]:
        stopped: dict[str, tuple[Watched, Met]] = {}
        for scope, stands in self._standing.items():
            running = {job.token: job for job in self._of(scope) if job.is_running and not job.asked}
            uses = [*(job.use(now) for job in running.values()), *stands.others]
            names = policy.newest_first(uses, stands.left, self._tick)
            met = Met(scope.kind, str(scope))
            stopped |= {name: (running[name], met) for name in names if name in running and name not in stopped}
        return list(stopped.values())

    async def _stop(self, jobs: Iterable[tuple[Watched, Met]]) -> None:
        for job, met in jobs:
            if job.asked:
                continue
            job.asked = met.limit
            log.warning("%s (%s): %s%s", job.token, job.label, STOPPED_BY_LIMIT, met.limit)
            tell(job, met, was_running=job.is_running)
            try:
                await job.stop(STOPPED_BY_LIMIT + met.limit)
            except OpsError as error:
                job.asked = ""  # not known to be stopped: asked again at the next tick
                log.warning("%s: not known to be stopped: %s", job.token, error)

    async def _look(self, at_most_old: float) -> None:
        """Book what is used, and read what is left."""
        async with self._looking:
            if self._url is None or time.monotonic() - self._looked_at < at_most_old:
                return
            self._site = await asyncio.to_thread(_site, self._site)  # grants may be changed while jobs run
            now, ended, over = time.time(), self._ended, self._over
            jobs = self._jobs()
            scopes = {scope for job in jobs for scope in self._scopes(job)}
            rows = {(row.token, row.day): row for job in jobs for row in job.rows(now)}
            rows = {(row.token, row.day): row for row in ended} | rows
            alive = [job.metered(now) for job in jobs if job.gpus and job.is_admitted]
            if not (scopes or rows or over):
                return
            self._ended, self._over = [], set()
            booking = _Booking(list(rows.values()), alive, over - {job.token for job in jobs}, scopes)
            since = now - max(_SILENT_SECONDS, 3 * self._tick)
            try:
                self._standing = await asyncio.to_thread(_booked, self._url, booking, since)
                self._looked_at = time.monotonic()
            except OpsError as error:
                self._ended, self._over = [*ended, *self._ended], over | self._over
                log.warning("GPU-hours are not counted for now: %s", error)

    def _jobs(self) -> list[Watched]:
        """One entry a job: two triggers may see the same one through for a while."""
        return list({job.token: job for job in self._watched}.values())

    def _scopes(self, job: Watched) -> tuple[Scope, ...]:
        if not job.gpus:
            return ()
        granted = self._site.scopes(job.limits.user, job.limits.series, hours.today())
        return tuple(dict.fromkeys((*job.own_scopes(), *granted)))

    def _of(self, scope: Scope) -> list[Watched]:
        """The jobs whose use counts against a limit."""
        return [job for job in self._jobs() if scope.counts(job.limits.user, job.limits.series, job.run_dir)]


@dataclass(frozen=True)
class _Booking:
    """What one look writes and asks.

    :param rows: what jobs have used.
    :param alive: jobs that this process sees through.
    :param over: tokens of jobs that it has seen through.
    :param scopes: whose standing is asked.
    """

    rows: list[UsageRow]
    alive: list[MeteredRow]
    over: set[str]
    scopes: set[Scope]


_METERS: dict[str | None, Meter] = {}


def meter_for(url: str | None) -> Meter:
    """The meter of the running event loop for a results database.

    :param url: None for limits on the clock alone.
    """
    loop = asyncio.get_running_loop()
    known = _METERS.get(url)
    if known is None or known.loop is not loop:
        known = _METERS[url] = Meter(url)
    return known


def tell(job: Watched, met: Met, *, was_running: bool) -> None:
    """Leave an event in the run directory."""
    event = events.Event(events.BUDGET_EXCEEDED, met.limit, job.shard, job.label, was_running, kind=met.kind)
    events.tell(job.files, event)


def _clock(job: Watched, whose: str) -> Met:
    limit = job.clock.shard if whose == "shard" else job.clock.run
    return Met(CLOCK, f"{hours.shown(limit or 0.0)} of the clock per {whose}")


def _booked(url: str, booking: _Booking, since: float) -> dict[Scope, Standing]:
    """Write usage; returns how each limit stands."""
    with Store.open(url) as store:
        store.record_usage(booking.rows, booking.alive, booking.over)
        return ledger.standing(store, booking.scopes, {row.token for row in booking.alive}, since)


def _site(before: Site) -> Site:
    """The site's grants; those from before where they cannot be read: a plan would be refused now."""
    try:
        return site()
    except ConfigError as error:
        log.warning("the site's GPU-hours are limited as before: %s", error)
        return before
