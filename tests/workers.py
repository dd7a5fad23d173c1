"""Several workers of pytest-xdist on one machine: which tests belong together, and what one worker does at a time."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

SHARED = {"tests/live/": "one Airflow", "container": "one image", "opencompass_on_slurm": "one image"}
"""What stands in the paths of tests that share something costly: whoever shares it shares a worker."""
_FIRST = "tests/live/"
_LOCK = Path(tempfile.gettempdir(), f"opencompass-ops-tests-{os.getuid()}.lock")


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """While it lasts no other worker is in here: installing packages, building the image, fetching into ``.cache``."""
    with _LOCK.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def group(nodeid: str) -> str:
    """The name of the tests that run on one worker with this one: its file's, or what the file shares with others."""
    path = nodeid.partition("::")[0]
    return next((name for part, name in SHARED.items() if part in path), path)


class Groups(LoadScopeScheduling):
    """Hands out whole groups. The ``loadgroup`` of xdist 3.8 has no effect with pytest 9.2, which keeps its ids."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Ours for ``--dist loadfile``."""
    return Groups(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The live tests take a third of the time: begun last, they would leave the other workers without work."""
    items.sort(key=lambda item: not item.nodeid.startswith(_FIRST))
