"""Worlds for the fault matrix."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from cluster.fixtures import PLACE
from cluster.testbed import Testbed
from faults.template import Template, make_template
from faults.world import CONNECTION, World
from small_world import make_world

WorldOn = Callable[[Testbed], World]


@pytest.fixture(scope="session")
def template(slurm_packages: None) -> Iterator[Template]:
    """One plan for all tests, in a folder that the testbeds' users can read."""
    folder = Path(tempfile.mkdtemp(prefix="opencompass-ops-faults-", dir=PLACE))
    folder.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        for small in make_world(folder, patch):
            yield make_template(small)
    shutil.rmtree(folder)


@pytest.fixture
async def world_on(template: Template, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorldOn]:
    """A world on a bed of the test's own."""
    worlds: list[World] = []

    def make(bed: Testbed) -> World:
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(bed.airflow_connection()))
        worlds.append(World.on(bed, template))
        return worlds[-1]

    yield make
    for world in worlds:
        await world.close()


@pytest.fixture
def world(world_on: WorldOn, testbed: Testbed) -> World:
    """A world on the bed that all tests of a session share."""
    return world_on(testbed)
