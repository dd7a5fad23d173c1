"""Airflow's ``airflow_local_settings.py`` of an embedded home: SQLite that stands several processes.

Airflow's components write to one SQLite file. As it comes, each commit waits for the disk (10 ms and more, in which
nobody else may write), and who has waited for 5 seconds fails with "database is locked". A crash of Airflow loses
nothing by what is set here; one of the whole machine may lose the last moments, as
https://sqlite.org/pragma.html#pragma_synchronous says of ``NORMAL`` with a write-ahead log. Other databases are left as
they are.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

__all__ = ["create_async_metadata_engine", "create_metadata_engine"]

BUSY_SECONDS = 60.0


def create_metadata_engine(conn: str, *, engine_args: dict[str, Any], connect_args: dict[str, Any]) -> Engine:
    """In place of Airflow's own; see :func:`airflow.settings.create_metadata_engine`."""
    engine = create_engine(conn, connect_args=_patience(conn) | connect_args, **engine_args, future=True)
    _listen(engine)
    return engine


def create_async_metadata_engine(
    conn: str, *, connect_args: dict[str, Any], engine_args: dict[str, Any] | None = None
) -> AsyncEngine:
    """In place of Airflow's own; see :func:`airflow.settings.create_async_metadata_engine`."""
    arguments = _patience(conn) | connect_args
    engine = create_async_engine(conn, connect_args=arguments, **(engine_args or {}), future=True)
    _listen(engine.sync_engine)
    return engine


def _patience(conn: str) -> dict[str, Any]:
    return {"timeout": BUSY_SECONDS} if conn.startswith("sqlite") else {}


def _listen(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare)


def _prepare(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()
