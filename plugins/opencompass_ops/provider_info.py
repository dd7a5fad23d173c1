"""What Airflow lists under its providers."""

from __future__ import annotations

from typing import Any

from opencompass_ops import __doc__ as description

_INTEGRATION = "OpenCompass"
_MODULES = {
    "operators": ("local", "plan", "slurm", "summarize"),
    "sensors": ("slurm",),
    "triggers": ("job", "shard"),
}


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata, in the format of Airflow's ``provider_info.schema.json``."""
    modules = {
        kind: [
            {"integration-name": _INTEGRATION, "python-modules": [f"opencompass_ops.{kind}.{name}" for name in names]}
        ]
        for kind, names in _MODULES.items()
    }
    return {
        "package-name": "opencompass-ops",
        "name": "OpenCompass Ops",
        "description": description,
        "integrations": [{"integration-name": _INTEGRATION, "external-doc-url": "https://opencompass.org.cn"}],
        **modules,
    }
