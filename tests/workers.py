"""Several workers of pytest-xdist on one machine: which tests belong together, and what one worker does at a time."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Fixtures that take longer than most tests that use them: whoever shares one of these shares a worker.
COSTLY = {"world": "airflow", "inference_image": "image"}
_LOCK = Path(tempfile.gettempdir(), f"opencompass-ops-tests-{os.getuid()}.lock")


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """While it lasts no other worker is in here: installing packages, building the image, fetching into ``.cache``."""
    with _LOCK.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file, and those of a costly fixture, on one worker; the longest groups begin first.

    The live tests take a third of the time: begun last, they would leave the other workers without work.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: "world" not in getattr(item, "fixturenames", ()))


def group(item: pytest.Item) -> str:
    """The name of the tests that run on one worker with this one."""
    shared = [name for fixture, name in COSTLY.items() if fixture in getattr(item, "fixturenames", ())]
    return shared[0] if shared else item.path.relative_to(item.config.rootpath).as_posix().replace("/", ".")
