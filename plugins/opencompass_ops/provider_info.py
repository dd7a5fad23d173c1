"""What Airflow lists under its providers."""

from __future__ import annotations

from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from opencompass_ops import __doc__ as description

_INTEGRATION = "OpenCompass"
_KINDS = ("operators", "sensors", "triggers")


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata, in the format of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "opencompass-ops",
        "name": "OpenCompass Ops",
        "description": description,
        "integrations": [{"integration-name": _INTEGRATION, "external-doc-url": "https://opencompass.org.cn"}],
        **{kind: [{"integration-name": _INTEGRATION, "python-modules": _modules(kind)}] for kind in _KINDS},
    }


def _modules(kind: str) -> list[str]:
    """Every module of a folder, by its listing: Airflow asks whenever a component starts, so nothing is imported."""
    folder = Path(__file__).parent / kind
    return [f"opencompass_ops.{kind}.{module.name}" for module in iter_modules([str(folder)])]
