"""What an installation of the wheel brings."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(wheel_file: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(wheel_file)


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


def test_the_example_dags_and_configs_are_in_it_as_they_are_in_the_repository(
    wheel: zipfile.ZipFile, repo: Path
) -> None:
    for shipped, here in (("dags", "dags"), ("configs", "include/configs")):
        inside = f"opencompass_ops/examples/{shipped}/"
        found = {name.removeprefix(inside): name for name in wheel.namelist() if name.startswith(inside)}
        listed = subprocess.run(["git", "ls-files", "--", here], cwd=repo, check=True, capture_output=True, text=True)
        tracked = {line.removeprefix(f"{here}/"): line for line in listed.stdout.splitlines()}
        assert found.keys() == tracked.keys()
        assert all(wheel.read(found[name]) == (repo / tracked[name]).read_bytes() for name in found)


def test_what_is_no_module_is_in_it_too(wheel: zipfile.ZipFile, repo: Path) -> None:
    package = repo / "plugins"
    scripts = {path.relative_to(package).as_posix() for path in package.rglob("*.sh")}
    assert scripts
    assert scripts <= set(wheel.namelist())
    assert not [name for name in wheel.namelist() if "__pycache__" in name]
