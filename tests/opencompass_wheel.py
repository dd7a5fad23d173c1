"""OpenCompass's own config library, which nobody here wrote: about 1,500 dataset files to compare with.

Nothing of it is committed. The wheel lies unpacked in ``.cache`` of the checkout, fetched from the package index when a
test first asks for it; ``OPENCOMPASS_OPS_OPENCOMPASS_DIR`` names another place, as it does for the plugin itself.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from opencompass_ops.configs.bases import PACKAGE_VARIABLE
from workers import one_at_a_time

VERSION = "0.5.4"
_FETCH_SECONDS = 120


@pytest.fixture(scope="session")
def opencompass_wheel(repo: Path) -> Path:
    """The folder that holds the package ``opencompass``; skips when it is neither here nor to be had."""
    named = os.environ.get(PACKAGE_VARIABLE)
    if named and _version(Path(named)) == VERSION:
        return Path(named).resolve()
    folder = repo / ".cache" / f"opencompass-{VERSION}"
    with one_at_a_time():
        problem = _fetch(folder) if _version(folder) != VERSION else ""
    if problem:
        pytest.skip(f"the opencompass {VERSION} wheel is not here and cannot be fetched: {problem}")
    return folder


def _version(folder: Path) -> str:
    file = folder / "opencompass" / "__init__.py"
    found = re.search(r"__version__ = ['\"](.+?)['\"]", file.read_text() if file.is_file() else "")
    return found[1] if found else ""


def _fetch(folder: Path) -> str:
    """Download and unpack; why it failed, or ""."""
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        try:
            subprocess.run(
                [*command, "--dest", place, f"opencompass=={VERSION}"],
                check=True,
                capture_output=True,
                text=True,
                timeout=_FETCH_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"pip was not done after {_FETCH_SECONDS} s"
        except subprocess.CalledProcessError as error:
            return (error.stderr.strip().splitlines() or ["pip failed and did not say why"])[-1]
        unpacked = Path(place, "unpacked")
        with zipfile.ZipFile(next(Path(place).glob("*.whl"))) as wheel:
            wheel.extractall(unpacked)
        shutil.rmtree(folder, ignore_errors=True)
        unpacked.rename(folder)
    return ""
