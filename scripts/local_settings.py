"""Airflow's ``airflow_local_settings.py`` of an embedded home: SQLite whose commits do not wait for the disk.

Airflow's components write to one SQLite file. As it comes, each commit waits for the disk (10 ms and more), in which
nobody else may write. A crash of Airflow loses nothing by what is set here; one of the whole machine may lose the last
moments, as https://sqlite.org/pragma.html#pragma_synchronous says of ``NORMAL`` with a write-ahead log. Other databases
are left as they are.

How long a writer waits for another one stays as it is, 5 seconds: several requests at once that start runs block each
other within the API server until one of them gives up (seen with Airflow 3.3.2), and with 60 seconds it stood still for
so long.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

__all__ = ["create_async_metadata_engine", "create_metadata_engine"]


def create_metadata_engine(conn: str, *, engine_args: dict[str, Any], connect_args: dict[str, Any]) -> Engine:
    """In place of Airflow's own; see :func:`airflow.settings.create_metadata_engine`."""
    engine = create_engine(conn, connect_args=connect_args, **engine_args, future=True)
    _listen(engine)
    return engine


def create_async_metadata_engine(
    conn: str, *, connect_args: dict[str, Any], engine_args: dict[str, Any] | None = None
) -> AsyncEngine:
    """In place of Airflow's own; see :func:`airflow.settings.create_async_metadata_engine`."""
    engine = create_async_engine(conn, connect_args=connect_args, **(engine_args or {}), future=True)
    _listen(engine.sync_engine)
    return engine


def _listen(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare)


def _prepare(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()
