"""compose.yaml as Compose reads it: anchors merged, variables replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

_VARIABLE = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?:(?P<how>:[-?])(?P<word>[^}]*))?\})")


class MissingVariable(ValueError):
    """A variable that must be given is not; the message is the file's own."""


@dataclass(frozen=True)
class ComposeFile:
    """The services of a compose file."""

    services: dict[str, dict[str, Any]]

    @classmethod
    def read(cls, path: Path, variables: Mapping[str, str]) -> ComposeFile:
        """Read a file.

        :param variables: what ``.env`` and the environment say.
        :raises MissingVariable: the file demands one that is not among them.
        """
        return cls(_replaced(yaml.safe_load(path.read_text()), variables)["services"])

    def environment(self, service: str) -> dict[str, str]:
        """The variables of a service."""
        return dict(self.services[service].get("environment", {}))

    def airflow(self) -> list[str]:
        """The services that run from our image."""
        return [name for name, service in self.services.items() if "build" in service]


def _replaced(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, variables) for item in value]
    return _VARIABLE.sub(lambda found: _value(found, variables), value) if isinstance(value, str) else value


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["escaped"]:
        return "$"
    given = variables.get(found["name"], "")
    if found["how"] == ":?" and not given:
        raise MissingVariable(f"{found['name']}: {found['word']}")
    return given or (found["word"] if found["how"] == ":-" else "")
