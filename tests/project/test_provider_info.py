"""What Airflow is told about the package."""

from __future__ import annotations

import importlib
import inspect
import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from opencompass_ops.provider_info import get_provider_info

pytestmark = pytest.mark.airflow
KINDS = {"operators": "BaseOperator", "sensors": "BaseSensorOperator", "triggers": "BaseTrigger"}

OF_OURS = {"opencompass_ops.operators.shard", "opencompass_ops.sensors.job"}
"""Base classes of the others."""


def test_it_is_what_airflows_own_schema_wants() -> None:
    schema = json.loads((files("airflow") / "provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)
    assert set(get_provider_info()) <= set(schema["properties"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_module_that_users_import_from_is_listed(repo: Path, kind: str) -> None:
    def defines(name: str) -> bool:
        module = importlib.import_module(name)
        classes = inspect.getmembers(module, inspect.isclass)
        bases = {base.__name__ for _, one in classes if one.__module__ == name for base in one.__mro__}
        return KINDS[kind] in bases and name not in OF_OURS

    found = sorted((repo / "plugins/opencompass_ops" / kind).glob("[a-z]*.py"))
    names = [f"opencompass_ops.{kind}.{file.stem}" for file in found]
    (listed,) = get_provider_info()[kind]
    assert listed["python-modules"] == [name for name in names if defines(name)]
