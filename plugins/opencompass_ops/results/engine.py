"""Open a database: the default place, SQLite's settings, and messages without passwords."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from opencompass_ops.errors import InputError, OpsError

ENVIRONMENT = "OPENCOMPASS_OPS_DATABASE"
DIALECTS = ("sqlite", "postgresql")
BUSY_SECONDS = 30
"""How long a writer waits for another one before SQLite gives up."""


def default_url() -> str:
    """The URL in ``$OPENCOMPASS_OPS_DATABASE``, else SQLite below ``$AIRFLOW_HOME`` or the home folder."""
    named = os.environ.get(ENVIRONMENT, "").strip()
    if named:
        return named
    home = os.environ.get("AIRFLOW_HOME", "").strip()
    folder = Path(home) if home else Path.home() / ".local" / "share" / "opencompass-ops"
    return f"sqlite:///{folder.expanduser().absolute()}/opencompass_ops.db"


def open_engine(url: str) -> Engine:
    """An engine for ``url``; the folder of an SQLite file is created.

    :raises InputError: the URL is not one, names a database other than SQLite or PostgreSQL, or its
        driver is not installed. The message never holds the URL's password.
    """
    parsed = _parse(url)
    try:
        if parsed.get_backend_name() != "sqlite":
            return create_engine(parsed, pool_pre_ping=True)
        _make_folder(parsed)
        engine = create_engine(parsed, connect_args={"timeout": BUSY_SECONDS})
    except ModuleNotFoundError as error:
        raise InputError(
            f"{shown(parsed)} needs the Python module {error.name!r}, which is not installed; "
            "pip install 'psycopg[binary]' and write the URL as postgresql://user:password@host/name"
        ) from None
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_folder(url: URL) -> None:
    if not url.database or url.database == ":memory:":
        return
    folder = Path(url.database).absolute().parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"the results database's folder {folder} cannot be made ({error.strerror}); make it, or name another "
            f"database in ${ENVIRONMENT}"
        ) from error


def shown(url: URL) -> str:
    """The URL as people may see it."""
    return url.render_as_string(hide_password=True)


@contextmanager
def transaction(engine: Engine, *, write: bool) -> Iterator[Connection]:
    """One transaction; a database error becomes a message without the password.

    :param write: take SQLite's write lock at once; a reader that turns writer would not wait for it.
    :raises OpsError: the database cannot be reached or refuses the statement.
    """
    try:
        with engine.connect() as connection:
            options = {"begin": "BEGIN IMMEDIATE"} if write else {}
            with connection.execution_options(**options).begin():
                yield connection
    except SQLAlchemyError as error:
        raise OpsError(_message(engine.url, error)) from None


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            # Airflow's connections name no driver; SQLAlchemy 2.0 would look for psycopg2.
            parsed = parsed.set(drivername="postgresql+psycopg")
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ValueError):
        raise InputError(
            "the results database's URL cannot be read; write sqlite:////absolute/path.db or "
            "postgresql://user:password@host/name (special characters of the password percent-encoded)"
        ) from None
    except ModuleNotFoundError:
        return parsed
    if parsed.get_backend_name() not in DIALECTS:
        raise InputError(f"{shown(parsed)}: the results database is {' or '.join(DIALECTS)}; choose one of them")
    return parsed


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # pysqlite would begin by itself, late and never immediate; SQLAlchemy's documented way round it.
    connection.isolation_level = None
    for pragma in (f"busy_timeout = {BUSY_SECONDS * 1000}", "foreign_keys = ON"):
        connection.execute(f"PRAGMA {pragma}")
    _switch_to_wal(connection)


def _switch_to_wal(connection: Any) -> None:
    """Wait for others that open the same new file: here SQLite does not, whatever its busy_timeout says."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))


def _message(url: URL, error: SQLAlchemyError) -> str:
    cause = getattr(error, "orig", None) or error
    text = " ".join(str(cause).split())
    if url.password:
        text = text.replace(str(url.password), "***")
    return f"results database {shown(url)}: {text}; check that it is reachable and writable, then summarise again"
