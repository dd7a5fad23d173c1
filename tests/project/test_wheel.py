"""What an installation of the wheel brings."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=repo, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def _text(wheel: zipfile.ZipFile, suffix: str) -> str:
    (name,) = (name for name in wheel.namelist() if name.endswith(suffix))
    return wheel.read(name).decode()


def test_both_packages_are_in_it_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"opencompass_ops", "inference"}


def test_it_needs_what_requirements_txt_says(wheel: zipfile.ZipFile, repo: Path) -> None:
    lines = (line.split("#")[0].strip() for line in (repo / "requirements.txt").read_text().splitlines())
    needed = [line for line in _text(wheel, "METADATA").splitlines() if line.startswith("Requires-Dist: ")]
    assert len([line for line in needed if "extra ==" not in line]) == len([line for line in lines if line])


def test_airflow_and_the_shell_find_its_entry_points(wheel: zipfile.ZipFile) -> None:
    text = _text(wheel, "entry_points.txt")
    assert "[console_scripts]\nopencompass-ops = opencompass_ops.cli:main" in text
    assert "[airflow.plugins]\nopencompass_ops = opencompass_ops.plugin:OpenCompassOpsPlugin" in text
    assert "provider_info = opencompass_ops.provider_info:get_provider_info" in text
