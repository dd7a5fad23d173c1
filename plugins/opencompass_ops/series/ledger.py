"""What is known of a series' checkpoints and which evaluations of them were begun: rows in the results database.

An evaluation is one row per (series, weights, suite), so that it is begun once however many look at the same time; who
begins it holds the series' lock meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, text, update

from opencompass_ops.budgets import ledger as budgets
from opencompass_ops.budgets.hours import today
from opencompass_ops.budgets.site import site
from opencompass_ops.contract import codec
from opencompass_ops.gates.references import check_baseline
from opencompass_ops.results import models
from opencompass_ops.results.engine import open_engine, transaction
from opencompass_ops.results.migrations import migrate
from opencompass_ops.results.store import Store, default_url
from opencompass_ops.results.versions import version

STARTED, SUCCEEDED, FAILED, STOPPED = "started", "succeeded", "failed", "stopped"
"""States of an evaluation; a failed one has its turn again until its attempts are used up, and one that was stopped for
want of GPU-hours on the next day."""

READY, INCOMPLETE, OUTSIDE, GONE = "ready", "incomplete", "outside", "gone"
"""What a look says of a checkpoint: complete; still being written; not meant by the limits; deleted."""


@dataclass(frozen=True)
class Sighting:
    """What the last look says of one name in the place.

    :param digest: identity of the weights; "" unless it is ready.
    :param reason: why it is not ready, or why it waits; "" when there is nothing to say.
    :param signature: equal as long as no file changes.
    :param since: when this signature was first seen.
    :param seen_at: when it was last looked at.
    """

    series: str
    name: str
    step: int
    state: str
    reason: str
    digest: str
    signature: str
    since: str
    seen_at: str


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of some weights by a suite.

    :param number: of the checkpoint within its series: 7 is version 0.0.7.
    :param suite: as it was named.
    :param fingerprint: of what the suite asks.
    :param run_id: of the DAG run that is the last attempt.
    :param attempts: how many were begun.
    :param stops: how many of them were stopped for want of GPU-hours.
    :param state: of the last attempt.
    :param begun_at: when the last attempt began.
    :param earlier: when those before it began, separated by blanks.
    :param ended_at: "" while it is not over.
    """

    series: str
    digest: str
    fingerprint: str
    number: int
    name: str
    step: int
    suite: str
    run_id: str
    attempts: int
    state: str
    reason: str
    begun_at: str
    ended_at: str
    stops: int = 0
    earlier: str = ""

    @property
    def begun(self) -> tuple[str, ...]:
        """When each attempt began, oldest first."""
        return (*self.earlier.split(), self.begun_at)

    @property
    def failures(self) -> int:
        """Attempts that failed or may yet fail; those that were only stopped do not count."""
        return self.attempts - self.stops

    @property
    def version(self) -> str:
        """As people read it: ``0.0.7``."""
        return version(self.number)


def run_id(series: str, digest: str, fingerprint: str, attempt: int) -> str:
    """The DAG run of one attempt: the same for everybody who comes to begin it."""
    return f"series__{series}__{codec.digest(digest)[:12]}__{fingerprint[:12]}__{attempt}"


class Ledger:
    """Opened by :meth:`open`; a context manager that closes its connections.

    :param engine: of a database whose schema is current.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str | None = None) -> Ledger:
        """Open the results database and, under a lock, bring its schema up to date.

        :param url: SQLAlchemy URL; None for the default one.
        :raises OpsError: the database cannot be reached.
        """
        engine = open_engine(url or default_url())
        try:
            with transaction(engine, write=True) as connection:
                migrate(connection)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._engine.dispose()

    def sightings(self, series: str) -> dict[str, Sighting]:
        """What the last look says, by name."""
        table = models.sighting
        with transaction(self._engine, write=False) as connection:
            rows = connection.execute(select(table).where(table.c.series == series))
            return {row.name: Sighting(*row) for row in rows}

    def evaluations(self, series: str) -> list[Evaluation]:
        """Every evaluation that was begun, by version and time."""
        with transaction(self._engine, write=False) as connection:
            return _evaluations(connection, series)

    def evaluation(self, run_id: str) -> Evaluation | None:
        """What a run evaluates; None when it is no evaluation's last attempt."""
        table = models.evaluation
        with transaction(self._engine, write=False) as connection:
            row = connection.execute(select(table).where(table.c.run_id == run_id)).first()
            return Evaluation(*row) if row else None

    def gpu_hours(self, series: str) -> float:
        """GPU-hours that the series has used."""
        return budgets.gpu_hours(Store(self._engine), series)

    def spent_grant(self, series: str, user: str) -> str:
        """What the site grants and is used up; "" where nothing is.

        :param user: on whose account the series' evaluations go, "" when nobody knows.
        :raises ConfigError: the site's file is wrong.
        """
        scopes = site().scopes(user, series, today())
        return next(iter(budgets.exhausted(Store(self._engine), scopes).values()), "")

    def check_baseline(self, name: str, series: str) -> None:
        """See :func:`opencompass_ops.gates.references.check_baseline`."""
        check_baseline(Store(self._engine), name, series)

    @contextmanager
    def exclusive(self, series: str) -> Iterator[Book]:
        """The series for one writer at a time, in one transaction: keep it short."""
        with transaction(self._engine, write=True) as connection:
            if connection.dialect.name == "postgresql":
                key = int(codec.digest(["series", series])[:15], 16)
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
            yield Book(connection, series)


class Book:
    """A series' rows, while nobody else may write them."""

    def __init__(self, connection: Connection, series: str) -> None:
        self._connection = connection
        self._series = series

    def evaluations(self) -> list[Evaluation]:
        """Every evaluation that was begun."""
        return _evaluations(self._connection, self._series)

    def see(self, sightings: Sequence[Sighting]) -> None:
        """Write what a look says in place of what the one before said."""
        table = models.sighting
        self._connection.execute(delete(table).where(table.c.series == self._series))
        if sightings:
            self._connection.execute(insert(table), [asdict(sighting) for sighting in sightings])

    def begin(self, *, digest: str, fingerprint: str, suite: str, name: str, step: int) -> Evaluation:
        """Note that an evaluation begins, as the next attempt where one failed before.

        The caller looked at :meth:`evaluations` under this same lock and found none alive.
        """
        earlier = {(one.digest, one.fingerprint): one for one in self.evaluations()}.get((digest, fingerprint))
        attempt = earlier.attempts + 1 if earlier else 1
        begun = Evaluation(
            series=self._series,
            digest=digest,
            fingerprint=fingerprint,
            number=self._number(digest),
            name=name,
            step=step,
            suite=suite,
            run_id=run_id(self._series, digest, fingerprint, attempt),
            attempts=attempt,
            state=STARTED,
            reason="",
            begun_at=_now(),
            ended_at="",
            stops=earlier.stops if earlier else 0,
            earlier=" ".join(earlier.begun) if earlier else "",
        )
        self._write(begun, is_new=earlier is None)
        return begun

    def end(self, evaluation: Evaluation, state: str, reason: str = "") -> Evaluation:
        """Note how an evaluation ended, or that it is alive again because somebody cleared it."""
        stops = evaluation.stops + (state == STOPPED) - (evaluation.state == STOPPED)
        ended_at = "" if state == STARTED else _now()
        ended = replace(evaluation, state=state, reason=reason, ended_at=ended_at, stops=stops)
        self._write(ended, is_new=False)
        return ended

    def _number(self, digest: str) -> int:
        """The version of these weights, which stays; the next one for weights that were never evaluated."""
        c = models.evaluation.c
        known = select(c.number).where(c.series == self._series, c.digest == digest).limit(1)
        highest = select(func.max(c.number)).where(c.series == self._series)
        found = self._connection.execute(known).scalar()
        return int(found) if found else int(self._connection.execute(highest).scalar() or 0) + 1

    def _write(self, row: Evaluation, *, is_new: bool) -> None:
        table: Table = models.evaluation
        if is_new:
            self._connection.execute(insert(table).values(asdict(row)))
            return
        c = table.c
        key = (c.series == row.series) & (c.digest == row.digest) & (c.fingerprint == row.fingerprint)
        self._connection.execute(update(table).where(key).values(asdict(row)))


def _evaluations(connection: Connection, series: str) -> list[Evaluation]:
    table = models.evaluation
    query = select(table).where(table.c.series == series).order_by(table.c.number, table.c.begun_at, table.c.suite)
    return [Evaluation(*row) for row in connection.execute(query)]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
