"""A table of what the soak measured, kept in ``docs/soak.md``."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

HEADER = """# Soak

What `make soak` measured; each run replaces the rows of the tests that it ran.

| what | size | figures | machine | date | commit |
|---|---|---|---|---|---|
"""
Record = Callable[[str, str, str], None]


@pytest.fixture(scope="session")
def soak_rows(repo: Path) -> Iterator[dict[str, str]]:
    """The table's rows by what was measured; written back when all tests are over."""
    path = repo / "docs" / "soak.md"
    lines = path.read_text().splitlines() if path.exists() else []
    found = {line.split(" | ")[0]: line for line in lines if line.startswith("| ") and not line.startswith("| what")}
    yield found
    path.write_text(HEADER + "".join(f"{line}\n" for _, line in sorted(found.items())))


@pytest.fixture
def record(soak_rows: dict[str, str], repo: Path) -> Record:
    """Note one measurement: what, its size, its figures."""
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=repo, capture_output=True, text=True, check=False
    )
    machine = f"{os.cpu_count()} x {platform.machine()}, Python {platform.python_version()}"

    def note(what: str, size: str, figures: str) -> None:
        date = datetime.now(UTC).date().isoformat()
        soak_rows[f"| {what}"] = f"| {what} | {size} | {figures} | {machine} | {date} | {head.stdout.strip() or '?'} |"

    return note
