"""Numbered steps that bring a results database to the schema this code knows.

Each step is plain SQL that SQLite and PostgreSQL both understand, but for what is marked. Once released a step is never
edited; a change is a new step at the end.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, inspect, text

from opencompass_ops.errors import InputError

ADVISORY_LOCK = 0x6F63_6F70
"""PostgreSQL advisory lock that one migrating process holds ("ocop")."""


class OnPostgreSQL(str):
    """A statement that SQLite neither understands nor needs: there a whole number has 64 bits anyway."""


MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE run (
            run_dir TEXT PRIMARY KEY, stamp TEXT NOT NULL, config TEXT NOT NULL, config_fingerprint TEXT NOT NULL,
            mode TEXT NOT NULL, state TEXT NOT NULL, pairs INTEGER NOT NULL, scored INTEGER NOT NULL,
            coverage TEXT NOT NULL, created_at TEXT NOT NULL)""",
        """CREATE TABLE prediction (
            path TEXT PRIMARY KEY, run_dir TEXT NOT NULL REFERENCES run (run_dir) ON DELETE CASCADE,
            model TEXT NOT NULL, dataset TEXT NOT NULL, fingerprint TEXT NOT NULL, pair_fingerprint TEXT NOT NULL,
            "start" INTEGER NOT NULL, stop INTEGER NOT NULL, total INTEGER NOT NULL, "count" INTEGER NOT NULL,
            sha256 TEXT NOT NULL, weights_id TEXT NOT NULL, created_at TEXT NOT NULL)""",
        "CREATE INDEX ix_prediction_run_dir ON prediction (run_dir)",
        "CREATE INDEX ix_prediction_pair_fingerprint ON prediction (pair_fingerprint)",
        """CREATE TABLE score (
            run_dir TEXT NOT NULL REFERENCES run (run_dir) ON DELETE CASCADE,
            model TEXT NOT NULL, dataset TEXT NOT NULL, metric TEXT NOT NULL, value DOUBLE PRECISION NOT NULL,
            stderr DOUBLE PRECISION, n INTEGER NOT NULL, version TEXT NOT NULL, mode TEXT NOT NULL, step INTEGER,
            evaluation_fingerprint TEXT NOT NULL, weights_id TEXT NOT NULL, path TEXT NOT NULL,
            created_at TEXT NOT NULL, PRIMARY KEY (run_dir, model, dataset, metric))""",
        "CREATE INDEX ix_score_evaluation_fingerprint ON score (evaluation_fingerprint)",
        """CREATE TABLE sample (
            evaluation_fingerprint TEXT NOT NULL, idx INTEGER NOT NULL, "row" TEXT NOT NULL, correct BOOLEAN,
            score DOUBLE PRECISION, PRIMARY KEY (evaluation_fingerprint, idx))""",
    ),
    (
        """CREATE TABLE timing (
            token TEXT NOT NULL, part TEXT NOT NULL, engine TEXT NOT NULL, place TEXT NOT NULL, device TEXT NOT NULL,
            gpus INTEGER NOT NULL, weights_bytes BIGINT NOT NULL, dataset TEXT NOT NULL, row_cost INTEGER NOT NULL,
            items INTEGER NOT NULL, seconds DOUBLE PRECISION NOT NULL, created_at TEXT NOT NULL,
            PRIMARY KEY (token, part))""",
        "CREATE INDEX ix_timing_created_at ON timing (created_at)",
    ),
    (
        "ALTER TABLE score ADD COLUMN series TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE score ADD COLUMN origin TEXT NOT NULL DEFAULT ''",
        "CREATE INDEX ix_score_series ON score (series)",
    ),
    (OnPostgreSQL("ALTER TABLE score ALTER COLUMN step TYPE BIGINT"),),
    (
        """CREATE TABLE usage (
            token TEXT NOT NULL, day TEXT NOT NULL, owner TEXT NOT NULL, series TEXT NOT NULL, run_dir TEXT NOT NULL,
            cluster TEXT NOT NULL, gpus INTEGER NOT NULL, gpu_seconds DOUBLE PRECISION NOT NULL,
            PRIMARY KEY (token, day))""",
        "CREATE INDEX ix_usage_day ON usage (day)",
        "CREATE INDEX ix_usage_series ON usage (series)",
        "CREATE INDEX ix_usage_owner ON usage (owner)",
        "CREATE INDEX ix_usage_run_dir ON usage (run_dir)",
    ),
    (
        """CREATE TABLE sighting (
            series TEXT NOT NULL, name TEXT NOT NULL, step BIGINT NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL,
            digest TEXT NOT NULL, signature TEXT NOT NULL, since TEXT NOT NULL, seen_at TEXT NOT NULL,
            PRIMARY KEY (series, name))""",
        """CREATE TABLE evaluation (
            series TEXT NOT NULL, digest TEXT NOT NULL, fingerprint TEXT NOT NULL, number INTEGER NOT NULL,
            name TEXT NOT NULL, step BIGINT NOT NULL, suite TEXT NOT NULL, run_id TEXT NOT NULL,
            attempts INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT NOT NULL, begun_at TEXT NOT NULL,
            ended_at TEXT NOT NULL, PRIMARY KEY (series, digest, fingerprint))""",
        "CREATE UNIQUE INDEX ix_evaluation_run_id ON evaluation (run_id)",
    ),
    ("ALTER TABLE evaluation ADD COLUMN stops INTEGER NOT NULL DEFAULT 0",),
    (
        """CREATE TABLE metered_job (
            token TEXT PRIMARY KEY, owner TEXT NOT NULL, series TEXT NOT NULL, run_dir TEXT NOT NULL,
            gpus INTEGER NOT NULL, began DOUBLE PRECISION NOT NULL, seconds DOUBLE PRECISION NOT NULL,
            expected DOUBLE PRECISION NOT NULL, seen_at DOUBLE PRECISION NOT NULL)""",
        "ALTER TABLE evaluation ADD COLUMN earlier TEXT NOT NULL DEFAULT ''",
    ),
    (
        "DROP INDEX ix_score_series",
        "CREATE INDEX ix_score_curve ON score (series, dataset, metric)",
        "CREATE INDEX ix_score_model ON score (model)",
    ),
)


def migrate(connection: Connection) -> int:
    """Apply every missing step, in the caller's transaction, one process at a time.

    On SQLite the caller began with ``BEGIN IMMEDIATE``; on PostgreSQL an advisory lock is taken here
    and released when the transaction ends.

    :returns: the schema's number afterwards.
    :raises InputError: the database was written by a newer version of this code.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ADVISORY_LOCK})
    version = _version(connection)
    known = len(MIGRATIONS)
    if version > known:
        raise InputError(
            f"the results database has schema {version}, this version of opencompass-ops knows {known}; "
            "upgrade opencompass-ops, or name another database in $OPENCOMPASS_OPS_DATABASE"
        )
    for number, statements in enumerate(MIGRATIONS[version:], start=version + 1):
        _apply(connection, number, statements)
    return known


def _version(connection: Connection) -> int:
    if not inspect(connection).has_table("schema_version"):
        connection.execute(text("CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL)"))
    return connection.execute(text("SELECT max(version) FROM schema_version")).scalar() or 0


def _apply(connection: Connection, number: int, statements: tuple[str, ...]) -> None:
    for statement in statements:
        if connection.dialect.name == "postgresql" or not isinstance(statement, OnPostgreSQL):
            connection.execute(text(statement))
    record = text("INSERT INTO schema_version (version, applied_at) VALUES (:number, :now)")
    connection.execute(record, {"number": number, "now": datetime.now(UTC).isoformat(timespec="seconds")})
