"""Parsing the DAG files must cost nothing, because every Airflow process does it again and again."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.airflow

HEAVY = ("torch", "transformers", "mmengine", "matplotlib", "asyncssh", "sqlalchemy", "pandas", "numpy", "psutil")

SCRIPT = """
import json, sys, time
sys.path[:0] = sys.argv[2:]
import airflow.sdk
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, Param, task
before, start = set(sys.modules), time.process_time()
exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"), {"__name__": "dag_file"})
print(json.dumps({"seconds": time.process_time() - start, "modules": sorted(set(sys.modules) - before)}))
"""


@pytest.fixture(scope="module")
def imports(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    home = str(tmp_path_factory.mktemp("airflow"))
    env = {"AIRFLOW_HOME": home, "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "PATH": "/usr/bin:/bin"}
    paths = [str(repo / "plugins"), str(repo)]
    found = []
    for file in sorted((repo / "dags").glob("*.py")):
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(file), *paths], env=env, capture_output=True, text=True, check=True
        )
        found.append(json.loads(ended.stdout.splitlines()[-1]) | {"file": file.name})
    return found


def test_there_are_dag_files(imports):
    assert "opencompass_eval.py" in [found["file"] for found in imports]


def test_a_dag_file_adds_no_heavy_module(imports):
    for found in imports:
        heavy = [name for name in found["modules"] if name.split(".")[0] in HEAVY]
        assert heavy == [], f"{found['file']} imports {heavy}"


def test_a_dag_file_takes_less_than_0_3_s_of_cpu(imports):
    for found in imports:
        assert found["seconds"] < 0.3, f"{found['file']} took {found['seconds']:.2f} s; it imported {found['modules']}"


def test_airflow_takes_every_file_for_one_that_makes_dags(repo: Path):
    from airflow.utils.file import might_contain_dag_via_default_heuristic

    for file in sorted((repo / "dags").glob("*.py")):
        assert might_contain_dag_via_default_heuristic(str(file)), f"{file.name}: its text must say airflow and dag"
