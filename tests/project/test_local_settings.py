"""SQLite of the embedded Airflow: a commit does not wait for the disk."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy import Connection, text

from scripts.airflow_home import Home, prepare
from scripts.local_settings import create_async_metadata_engine, create_metadata_engine


def synchronous(connection: Connection) -> int:
    return int(connection.execute(text("PRAGMA synchronous")).scalar_one())


def test_no_connection_waits_for_the_disk(tmp_path: Path) -> None:
    engine = create_metadata_engine(f"sqlite:///{tmp_path}/a.db", engine_args={}, connect_args={})
    with engine.connect() as connection:
        assert synchronous(connection) == 1
    engine.dispose()

    async def ask() -> int:
        engine = create_async_metadata_engine(f"sqlite+aiosqlite:///{tmp_path}/a.db", connect_args={})
        async with engine.connect() as connection:
            found = await connection.run_sync(synchronous)
        await engine.dispose()
        return found

    assert asyncio.run(ask()) == 1


def test_other_databases_are_left_as_they_are() -> None:
    create_metadata_engine("postgresql+psycopg://nobody@localhost/none", engine_args={}, connect_args={}).dispose()


def test_a_home_has_the_settings_where_airflow_looks_for_them(tmp_path: Path, repo: Path) -> None:
    home = Home(tmp_path / "home", tmp_path, tmp_path, 1)
    prepare(home, repo / ".cache")
    assert home.local_settings == tmp_path / "home" / "config" / "airflow_local_settings.py"
    assert home.local_settings.read_text() == (repo / "scripts" / "local_settings.py").read_text()
