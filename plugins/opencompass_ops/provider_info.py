"""What Airflow lists under its providers."""

from __future__ import annotations

from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from opencompass_ops import __doc__ as description

_INTEGRATION = "OpenCompass"
_KINDS = ("operators", "sensors", "triggers")

LARK: dict[str, Any] = {
    "connection-type": "lark",
    "hook-class-name": "opencompass_ops.hooks.lark.LarkHook",
    "hook-name": "Lark (Feishu) bot",
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "login", "port", "extra"],
        "relabeling": {"host": "Server", "password": "Webhook"},
        "placeholders": {
            "host": "open.feishu.cn, or open.larksuite.com",
            "password": "the bot's webhook address, or its last part",
        },
    },
    "conn-fields": {
        "secret": {
            "label": "Signing secret",
            "schema": {"type": ["string", "null"], "format": "password"},
            "description": "Of a bot whose security settings say 'signature verification'.",
        },
        "language": {
            "label": "Language",
            "schema": {"type": ["string", "null"], "enum": ["en", "zh", None]},
            "description": "Of the messages: en or zh. Empty: en.",
        },
        "events": {
            "label": "Events",
            "schema": {"type": ["string", "null"]},
            "description": "Told of every run: any of start, success, failure, gate, hang, budget. Empty: what runs "
            "ask for, and bad news of scheduled runs.",
        },
        "format": {
            "label": "Format",
            "schema": {"type": ["string", "null"], "enum": ["card", "opencompass", None]},
            "description": "card, or the plain status reports of OpenCompass. Empty: card.",
        },
        "proxy": {
            "label": "Proxy",
            "schema": {"type": ["string", "null"]},
            "description": "Address of a proxy. Empty: the environment's.",
        },
    },
}
"""The connection type of Lark's bots, and what Airflow's form for it shows."""


def get_provider_info() -> dict[str, Any]:
    """The provider's metadata, in the format of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "opencompass-ops",
        "name": "OpenCompass Ops",
        "description": description,
        "integrations": [{"integration-name": _INTEGRATION, "external-doc-url": "https://opencompass.org.cn"}],
        **{kind: [{"integration-name": _INTEGRATION, "python-modules": _modules(kind)}] for kind in _KINDS},
        "hooks": [{"integration-name": _INTEGRATION, "python-modules": ["opencompass_ops.hooks.lark"]}],
        "connection-types": [LARK],
        "notifications": ["opencompass_ops.notifications.lark.LarkNotifier"],
    }


def _modules(kind: str) -> list[str]:
    """Every module of a folder, by its listing: Airflow asks whenever a component starts, so nothing is imported."""
    folder = Path(__file__).parent / kind
    return [f"opencompass_ops.{kind}.{module.name}" for module in iter_modules([str(folder)])]
