"""A chat on loopback, and digests to tell it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chat_servers import ChatServer, chat_server


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with chat_server() as server:
        yield server


@pytest.fixture(autouse=True)
def _own_pacing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else's messages count for these bots."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
