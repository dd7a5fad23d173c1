"""Fixtures for every test."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cluster.fixtures import _swept, inference_image, make_testbed, slurm_packages, testbed
from fault_table import pytest_addoption, pytest_runtest_makereport, pytest_sessionfinish
from installation import installation, wheel_file
from opencompass_venv import opencompass_package, opencompass_python
from opencompass_wheel import opencompass_wheel
from postgres import database_url, postgres, postgres_url
from soak_table import record, soak_table
from workers import pytest_collection_modifyitems, pytest_xdist_make_scheduler

# fixtures and hooks
__all__ = [
    "_swept",
    "database_url",
    "inference_image",
    "installation",
    "make_testbed",
    "opencompass_package",
    "opencompass_python",
    "opencompass_wheel",
    "postgres",
    "postgres_url",
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_runtest_makereport",
    "pytest_sessionfinish",
    "pytest_xdist_make_scheduler",
    "record",
    "slurm_packages",
    "soak_table",
    "testbed",
    "wheel_file",
]

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with GSM8K, HumanEval, BBH and golden vectors; skips where it is absent."""
    folder = Path(os.environ.get("OPENCOMPASS_OPS_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent; set OPENCOMPASS_OPS_SHARED to the folder that holds data/")
    return folder
