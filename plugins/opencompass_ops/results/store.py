"""The results database: an index of what run directories hold. The files stay the truth."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine, Select, Table, case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from opencompass_ops.results import models
from opencompass_ops.results.engine import default_url, open_engine, shown, transaction
from opencompass_ops.results.metrics import lower_is_better
from opencompass_ops.results.migrations import migrate
from opencompass_ops.results.rows import (
    CheckpointRow,
    KnownPrediction,
    MeteredRow,
    PairRows,
    RunRow,
    SampleRow,
    ScoreRow,
    TimingRow,
    UsageRow,
)
from opencompass_ops.results.versions import Versions

CHUNK = 500
"""Values in one IN list; SQLite refused more than 32,766 parameters in a statement."""

__all__ = ["Store", "default_url"]


class Store:
    """Opened by :meth:`open`; a context manager that closes its connections.

    :param engine: of a database whose schema is current.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str | None = None) -> Store:
        """Open and, under a lock, bring the schema up to date; several processes may do so at once.

        :param url: SQLAlchemy URL of SQLite or PostgreSQL; None for :func:`default_url`.
        :raises InputError: a bad URL, a missing driver, or a schema newer than this code.
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

    @property
    def name(self) -> str:
        """The URL without its password."""
        return shown(self._engine.url)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def record_run(self, run: RunRow, pairs: Iterable[PairRows] = ()) -> None:
        """Write a run and its pairs; writing the same again changes nothing.

        A pair's prediction rows are replaced; its scores and samples too, unless it brings none. Each pair
        is a transaction of its own: a large run must not keep other runs from writing. One that is
        interrupted is completed by recording the run again.
        """
        with transaction(self._engine, write=True) as connection:
            _upsert(connection, models.run, [run])
        for pair in pairs:
            with transaction(self._engine, write=True) as connection:
                _record_pair(connection, run.run_dir, pair)

    def run_fingerprints(self) -> dict[str, str]:
        """Run directory -> the fingerprint of the config that it was recorded with."""
        c = models.run.c
        return dict(self._rows(select(c.run_dir, c.config_fingerprint)))

    def record_timings(self, timings: Sequence[TimingRow]) -> None:
        """Write what jobs took; writing the same again changes nothing."""
        if not timings:
            return
        with transaction(self._engine, write=True) as connection:
            _upsert(connection, models.timing, timings)

    def timings(self, limit: int = 20_000) -> list[TimingRow]:
        """What jobs took, newest first.

        :param limit: rows; what is older says little of what the next job takes.
        """
        table = models.timing
        order = (table.c.created_at.desc(), table.c.token, table.c.part)
        return [TimingRow(*row) for row in self._rows(select(table).order_by(*order).limit(limit))]

    def record_usage(
        self, rows: Sequence[UsageRow], alive: Sequence[MeteredRow] = (), over: Collection[str] = ()
    ) -> None:
        """Write what jobs have used until now, in place of what was written of them before.

        :param rows: of every day on which each of the jobs has run.
        :param alive: jobs that are not over.
        :param over: tokens of jobs that are.
        """
        if not (rows or alive or over):
            return
        usage, job = models.usage, models.metered_job
        with transaction(self._engine, write=True) as connection:
            for some in _chunks(row.token for row in rows):
                connection.execute(delete(usage).where(usage.c.token.in_(some)))
            _upsert(connection, usage, rows)
            for some in _chunks(over):
                connection.execute(delete(job).where(job.c.token.in_(some)))
            _upsert(connection, job, alive)

    def metered(self, since: float) -> list[MeteredRow]:
        """The jobs that any process has seen through lately, oldest first.

        :param since: seconds since 1970.
        """
        table = models.metered_job
        query = select(table).where(table.c.seen_at >= since).order_by(table.c.began, table.c.token)
        return [MeteredRow(*row) for row in self._rows(query)]

    def gpu_seconds(self, **wanted: str) -> float:
        """GPU-seconds that were used.

        :param wanted: only those whose ``owner``, ``series``, ``run_dir`` or ``day`` is this.
        """
        query = select(func.coalesce(func.sum(models.usage.c.gpu_seconds), 0.0))
        for name, value in wanted.items():
            query = query.where(models.usage.c[name] == value)
        return float(self._rows(query)[0][0])

    def usage(self, since: str = "") -> list[tuple[str, str, str, float]]:
        """Day, owner, series and GPU-seconds, newest day first.

        :param since: the first day.
        """
        c = models.usage.c
        keys = (c.day, c.owner, c.series)
        query = select(*keys, func.sum(c.gpu_seconds)).where(c.day >= since).group_by(*keys)
        return self._rows(query.order_by(c.day.desc(), c.owner, c.series))

    def find_predictions(self, pair_fingerprints: Iterable[str]) -> dict[str, list[KnownPrediction]]:
        """Files that answer these pairs, newest first; only files that still exist.

        The caller checks file against manifest before it links one.

        :returns: an entry for each pair that has any.
        """
        known: dict[str, list[KnownPrediction]] = {}
        table = models.prediction
        columns = (table.c.start, table.c.stop, table.c.total, table.c.fingerprint, table.c.path)
        for some in _chunks(pair_fingerprints):
            query = select(table.c.pair_fingerprint, *columns).where(table.c.pair_fingerprint.in_(some))
            for pair, *values in self._rows(query.order_by(table.c.created_at.desc(), table.c.path)):
                found = KnownPrediction(*values)
                if Path(found.path).is_file():
                    known.setdefault(pair, []).append(found)
        return known

    def find_results(self, evaluation_fingerprints: Iterable[str]) -> dict[str, str]:
        """Absolute path of the newest result file of each evaluation that still has one."""
        found: dict[str, str] = {}
        table = models.score
        for some in _chunks(evaluation_fingerprints):
            query = select(table.c.evaluation_fingerprint, table.c.path).where(table.c.evaluation_fingerprint.in_(some))
            for fingerprint, path in self._rows(query.order_by(table.c.created_at.desc(), table.c.path)):
                if fingerprint not in found and Path(path).is_file():
                    found[fingerprint] = path
        return found

    def leaderboard(
        self, dataset: str | None = None, metric: str | None = None, limit: int = 20, series: str | None = None
    ) -> list[ScoreRow]:
        """The best scores of each dataset, version and metric, best first; of losses the lowest is the best.

        One row per set of weights: the one over most samples, of those the newest, so that a quick
        look with a limit never hides a whole evaluation.

        :param limit: rows per board.
        """
        table = models.score
        board = (table.c.dataset, table.c.version, table.c.mode, table.c.metric)
        order = (table.c.n.desc(), table.c.created_at.desc(), table.c.run_dir.desc())
        query = select(table, _number((*board, table.c.model, table.c.weights_id), order).label("age"))
        query = _where(query, dataset=dataset, metric=metric, series=series)
        newest = query.subquery()
        c = newest.c
        metrics = {str(name) for (name,) in self._rows(select(table.c.metric).distinct())}
        is_loss = c.metric.in_(sorted(filter(lower_is_better, metrics)))
        rank = case((is_loss, c.value), else_=-c.value)
        place = _number((c.dataset, c.version, c.mode, c.metric), (rank, c.model)).label("place")
        ranked = select(newest, place).where(c.age == 1).subquery()
        columns = [ranked.c[column.name] for column in table.c]
        top = select(*columns).where(ranked.c.place <= limit)
        r = ranked.c
        return self._scores(top.order_by(r.dataset, r.version, r.mode, r.metric, r.place))

    def checkpoints(self, series: str | None = None) -> list[CheckpointRow]:
        """Every set of weights that has scores, by series, model name and step."""
        c = models.score.c
        keys = (c.model, c.step, c.weights_id, c.series, c.origin)
        query = select(*keys, c.dataset, func.max(c.created_at)).group_by(*keys, c.dataset).order_by(*keys, c.dataset)
        groups: dict[tuple[Any, ...], list[tuple[str, str]]] = {}
        for *key, dataset, when in self._rows(_where(query, series=series)):
            groups.setdefault(tuple(key), []).append((dataset, when))
        rows = [
            CheckpointRow(model, step, weights, max(when for _, when in seen), tuple(name for name, _ in seen), *whose)
            for (model, step, weights, *whose), seen in groups.items()
        ]
        known = self.versions()
        return sorted(
            (replace(row, version=known.of(row.series, row.weights_id, row.step)) for row in rows), key=_by_series
        )

    def versions(self, *series: str) -> Versions:
        """The versions of these series' checkpoints; of all where none is named."""
        c = models.evaluation.c
        query = select(c.series, c.digest, c.step, c.number).distinct()
        return Versions(self._rows(query.where(c.series.in_(series)) if series else query))

    def history(
        self, prefix: str = "", dataset: str | None = None, metric: str | None = None, **wanted: str | None
    ) -> list[ScoreRow]:
        """Every score of the models whose name begins with ``prefix``, by dataset, metric, step and time.

        :param wanted: only those whose ``series``, ``model`` or ``run_dir`` is this; None for any.
        """
        c = models.score.c
        query = select(models.score)
        if prefix:
            query = query.where(c.model.startswith(prefix, autoescape=True))
        query = _where(query, dataset=dataset, metric=metric, **wanted)
        return self._scores(query.order_by(c.dataset, c.metric, func.coalesce(c.step, -1), c.created_at, c.model))

    def samples(self, evaluation_fingerprint: str) -> list[SampleRow]:
        """The scored samples of one evaluation, in order."""
        table = models.sample
        query = select(table).where(table.c.evaluation_fingerprint == evaluation_fingerprint).order_by(table.c.idx)
        return [SampleRow(*row) for row in self._rows(query)]

    def _scores(self, query: Select[Any]) -> list[ScoreRow]:
        return [ScoreRow(*row) for row in self._rows(query)]

    def _rows(self, query: Select[Any]) -> list[Any]:
        with transaction(self._engine, write=False) as connection:
            return [tuple(row) for row in connection.execute(query)]


def _record_pair(connection: Connection, run_dir: str, pair: PairRows) -> None:
    for table, rows in ((models.prediction, pair.predictions), (models.score, pair.scores)):
        if rows or table is models.prediction:
            c = table.c
            of_pair = (c.run_dir == run_dir) & (c.model == pair.model) & (c.dataset == pair.dataset)
            connection.execute(delete(table).where(of_pair))
            _upsert(connection, table, rows)
    for fingerprint in sorted({row.evaluation_fingerprint for row in pair.samples}):
        connection.execute(delete(models.sample).where(models.sample.c.evaluation_fingerprint == fingerprint))
    _upsert(connection, models.sample, pair.samples)


def _upsert(connection: Connection, table: Table, rows: Sequence[object]) -> None:
    """Write rows whose attributes are the table's columns."""
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(table)
    keys = [column.name for column in table.primary_key]
    names = [column.name for column in table.c]
    changed = {name: statement.excluded[name] for name in names if name not in keys}
    upsert = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    connection.execute(upsert, [{name: getattr(row, name) for name in names} for row in rows])


def _where(query: Select[Any], **wanted: str | None) -> Select[Any]:
    """Only the scores whose columns have these values; None for any."""
    for name, value in wanted.items():
        query = query if value is None else query.where(models.score.c[name] == value)
    return query


def _by_series(row: CheckpointRow) -> tuple[Any, ...]:
    return (
        row.series or row.model,
        row.model if row.step is None else "",
        row.step or 0,
        row.model,
        row.last_evaluated,
    )


def _number(partition: tuple[Any, ...], order: tuple[Any, ...]) -> Any:
    return func.row_number().over(partition_by=partition, order_by=order)


def _chunks(values: Iterable[str]) -> Iterator[list[str]]:
    unique = sorted(set(values))
    for at in range(0, len(unique), CHUNK):
        yield unique[at : at + CHUNK]
