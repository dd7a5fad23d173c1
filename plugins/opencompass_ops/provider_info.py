"""What Airflow lists under its providers."""

from __future__ import annotations

from typing import Any

from opencompass_ops import __doc__ as description
from opencompass_ops import __version__


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata, in the format of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "opencompass-ops",
        "name": "OpenCompass Ops",
        "description": description,
        "versions": [__version__],
    }
