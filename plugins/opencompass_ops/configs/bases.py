"""Where the base configs lie that ``read_base`` imports."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

PACKAGE = "opencompass"


def installed_package(name: str) -> Path | None:
    """The folder of an installed package, found without importing it; None when there is none."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    locations = list(spec.submodule_search_locations or ()) if spec else []
    return Path(locations[0]) if locations else None


def candidates(node: ast.ImportFrom, importer: Path, config_dirs: Sequence[Path]) -> Iterator[Path]:
    """Where the base config of an import may lie, best first.

    :param importer: the config that holds the import.
    :param config_dirs: folders that stand for ``opencompass.configs``.
    """
    parts = (node.module or "").split(".")
    if node.level:
        yield importer.parent.joinpath(*[".."] * (node.level - 1), *parts).with_suffix(".py")
        return
    if parts[:2] == [PACKAGE, "configs"]:
        for folder in config_dirs:
            yield folder.joinpath(*parts[2:]).with_suffix(".py")
    for folder in importer.parents:
        yield folder.joinpath(*parts).with_suffix(".py")
    package = installed_package(parts[0])
    if package:
        yield package.joinpath(*parts[1:]).with_suffix(".py")
