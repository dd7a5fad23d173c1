"""A series on a folder, and results databases of both kinds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from series_world import SeriesWorld, in_process


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/results.db"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SeriesWorld]:
    """A series on a folder of this host; its suite asks what :attr:`SeriesWorld.asks` says."""
    monkeypatch.setattr("opencompass_ops.series.folder._here", in_process)
    with SeriesWorld.open(tmp_path, f"sqlite:///{tmp_path}/results.db") as made:
        monkeypatch.setattr("opencompass_ops.series.discovery.suite_fingerprint", made.fingerprint)
        yield made
