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
# On Python 3.11 Airflow asks the backport importlib_metadata, the shim the standard library.
SCRIPT = """
import importlib.metadata, importlib_metadata, json, pathlib, sys
def hide(metadata, real):
    def seen(d):
        return d.name != "opencompass-ops" or pathlib.Path(d.locate_file("")) == pathlib.Path(sys.argv[1])
    metadata.distributions = lambda **options: filter(seen, real(**options))
for metadata in (importlib.metadata, importlib_metadata):
    hide(metadata, metadata.distributions)
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
    site = tmp_path / "site"
    if installed:
        information = site / "opencompass_ops-0.dist-info"
        information.mkdir(parents=True)
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: opencompass-ops\nVersion: 0\n")
        (information / "entry_points.txt").write_text(
            "[airflow.plugins]\nopencompass_ops = opencompass_ops.plugin:OpenCompassOpsPlugin\n"
        )
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")} | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(repo / "plugins"),
        "PYTHONPATH": os.pathsep.join([str(repo / "plugins"), str(site)]),
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(site)],
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
