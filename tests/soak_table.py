"""What the soak measured, kept in ``docs/soak.md``."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tables import Table, commit

HEAD = """# Soak

What `make soak` measured; each run replaces the rows of the tests that it ran.

| what | size | figures | machine | date | commit |
|---|---|---|---|---|---|
"""
Record = Callable[[str, str, str], None]


@pytest.fixture(scope="session")
def soak_table(repo: Path) -> Iterator[Table]:
    """The table; written back when all tests are over."""
    table = Table(repo / "docs" / "soak.md", HEAD)
    yield table
    table.write()


@pytest.fixture
def record(soak_table: Table) -> Record:
    """Note one measurement: what, its size, its figures."""
    machine = f"{os.cpu_count()} x {platform.machine()}, Python {platform.python_version()}"

    def note(what: str, size: str, figures: str) -> None:
        soak_table.put(what, size, figures, machine, datetime.now(UTC).date().isoformat(), commit())

    return note
