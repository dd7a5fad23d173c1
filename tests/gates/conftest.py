"""A laboratory of evaluations."""

from __future__ import annotations

import pytest

from gate_lab import Lab


@pytest.fixture
def lab(tmp_path):
    made = Lab(tmp_path)
    yield made
    made.store.close()
