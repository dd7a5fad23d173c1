"""YAML files that a site writes: plain values, nothing executed, no key silently said twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from opencompass_ops.errors import ConfigError


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML is untyped
    """PyYAML keeps the last of equal keys without a word; YAML 1.2.2 section 3.2.1.1 demands unique ones."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        said: set[tuple[str, str]] = set()
        for key, _ in node.value:
            name = (key.tag, str(key.value))
            if name in said:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} is said twice", problem_mark=key.start_mark)
            said.add(name)
        return dict(super().construct_mapping(node, deep))


def read_yaml(file: Path) -> Any:
    """The values in a file; None when it is empty.

    :raises ConfigError: it cannot be read, is no YAML, or says a key twice.
    """
    try:
        return yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506  # a safe loader
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read: {' '.join(str(error).split())}") from error
