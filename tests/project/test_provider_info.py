"""What Airflow is told about the package."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from opencompass_ops.provider_info import get_provider_info

KINDS = {"operators": "BaseOperator", "sensors": "BaseSensorOperator", "triggers": "BaseTrigger"}


@pytest.mark.airflow
def test_it_is_what_airflows_own_schema_wants() -> None:
    schema = json.loads((files("airflow") / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)
    assert set(get_provider_info()) <= set(schema["properties"])


@pytest.mark.airflow
@pytest.mark.parametrize("kind", KINDS)
def test_the_modules_that_are_listed_can_be_imported_and_hold_what_they_are_listed_for(kind: str) -> None:
    (listed,) = get_provider_info()[kind]
    modules = [importlib.import_module(name) for name in listed["python-modules"]]
    classes = [one for module in modules for _, one in inspect.getmembers(module, inspect.isclass)]
    ours = {one.__name__ for one in classes if any(base.__name__ == KINDS[kind] for base in one.__mro__)}
    expected = {"operators": "SlurmOperator", "sensors": "SlurmJobSensor", "triggers": "ShardTrigger"}
    assert expected[kind] in ours


def test_asking_imports_nothing_of_airflow(repo: Path) -> None:
    ask = "from opencompass_ops.provider_info import get_provider_info; get_provider_info()"
    boot = f"import sys; sys.path.insert(0, {str(repo / 'plugins')!r}); {ask}; print('airflow' in sys.modules)"
    command = [sys.executable, "-I", "-c", boot]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "False\n"
