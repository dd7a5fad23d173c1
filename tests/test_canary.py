"""Who looks for a secret must be able to find it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.canary import Canary


@pytest.fixture
def canary():
    return Canary()


def test_an_argv_with_the_secret_would_be_seen(canary):
    with canary:
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.3)", canary.secret], check=True)
    assert canary.argvs


def test_a_file_with_the_secret_would_be_seen(canary, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/log").write_text(f"HF_TOKEN={canary.secret}")
    assert canary.shown_in([tmp_path]) == [str(tmp_path / "sub/log")]
