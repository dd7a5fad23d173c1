"""Benches for tests of one backend."""

from __future__ import annotations

from pathlib import Path

import pytest
from backends import Bench, slurm_ssh


@pytest.fixture
def slurm_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """A real Slurm behind a login node."""
    return slurm_ssh(request, tmp_path)
