"""Airflow's plugin loader on our folder: every module once, no error, whichever way the package is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.airflow

# Hides a real installation, so that both ways can be tried wherever the tests run; then loads as Airflow does.
SCRIPT = """
import importlib.metadata as metadata, json, sys
real = metadata.distributions
def visible(**options):
    return [d for d in real(**options) if d.name != "opencompass-ops" or {installed}]
metadata.distributions = visible
from airflow import plugins_manager
plugins, errors = plugins_manager._get_plugins()
names = [plugin.name for plugin in plugins]
package = sys.modules.get("opencompass_ops.plugin")
ours = [n for n, m in sys.modules.items() if "/plugins/opencompass_ops/" in (getattr(m, "__file__", None) or "")]
twice = [name for name in ours if not name.startswith("opencompass_ops")]
print(json.dumps([names.count("opencompass_ops"), errors, twice, bool(package)]))
"""


def _load(repo: Path, tmp_path: Path, installed: bool) -> list[object]:
    """How many plugins of our name, the loader's errors, modules under a second name, whether ours was imported."""
    paths = [str(repo / "plugins")]
    if installed:
        information = tmp_path / "site" / "opencompass_ops-0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: opencompass-ops\nVersion: 0\n")
        (information / "entry_points.txt").write_text(
            "[airflow.plugins]\nopencompass_ops = opencompass_ops.plugin:OpenCompassOpsPlugin\n"
        )
        paths.append(str(tmp_path / "site"))
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")} | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(repo / "plugins"),
        "PYTHONPATH": os.pathsep.join(paths),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("{installed}", str(installed))],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded: list[object] = json.loads(done.stdout.splitlines()[-1])
    return loaded


@pytest.mark.parametrize("installed", [False, True], ids=["folder", "entry point"])
def test_the_plugin_is_loaded_once_without_errors(repo: Path, tmp_path: Path, installed: bool) -> None:
    assert _load(repo, tmp_path, installed) == [1, {}, [], True]
