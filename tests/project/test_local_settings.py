"""SQLite of the embedded Airflow: who waits for a lock does so for long, and a commit does not wait for the disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import Connection, text

from scripts.airflow_home import Home, prepare
from scripts.local_settings import create_async_metadata_engine, create_metadata_engine


def said(connection: Connection) -> tuple[int, int]:
    pragmas = ("synchronous", "busy_timeout")
    return tuple(connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in pragmas)  # type: ignore[return-value]


def test_every_connection_is_patient_and_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    engine = create_metadata_engine(f"sqlite:///{tmp_path}/a.db", engine_args={}, connect_args={})
    with engine.connect() as connection:
        assert said(connection) == (1, 60_000)
    engine.dispose()

    async def ask() -> tuple[int, int]:
        engine = create_async_metadata_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db", connect_args={})
        async with engine.connect() as connection:
            found = await connection.run_sync(said)
        await engine.dispose()
        return found

    assert asyncio.run(ask()) == (1, 60_000)


def test_other_databases_are_left_as_they_are() -> None:
    create_metadata_engine("postgresql+psycopg://nobody@localhost/none", engine_args={}, connect_args={}).dispose()


def test_a_home_has_the_settings_where_airflow_looks_for_them(tmp_path: Path, repo: Path) -> None:
    home = Home(tmp_path / "home", tmp_path, tmp_path, 1)
    prepare(home, repo / ".cache")
    assert home.local_settings == tmp_path / "home" / "config" / "airflow_local_settings.py"
    assert home.local_settings.read_text() == (repo / "scripts" / "local_settings.py").read_text()
