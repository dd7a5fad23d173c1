"""Where the base configs lie that ``read_base`` imports, and where OpenCompass's own library lies."""

from __future__ import annotations

import ast
import importlib.util
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from opencompass_ops.errors import ConfigError

PACKAGE = "opencompass"
PACKAGE_VARIABLE = "OPENCOMPASS_OPS_OPENCOMPASS_DIR"


def installed_package(name: str) -> Path | None:
    """The folder of an installed package, found without importing it; None when there is none."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    locations = list(spec.submodule_search_locations or ()) if spec else []
    return Path(locations[0]) if locations else None


def opencompass_configs() -> Path | None:
    """The ``configs`` folder of an OpenCompass, found without importing it; None when there is none.

    ``OPENCOMPASS_OPS_OPENCOMPASS_DIR`` names one that is unpacked or checked out: the folder that holds the package
    ``opencompass``, the package itself, or a checkout of the first releases, which kept ``configs`` beside it. Else an
    installed one counts.

    :raises ConfigError: the variable names a folder without configs.
    """
    named = os.environ.get(PACKAGE_VARIABLE)
    if not named:
        package = installed_package(PACKAGE)
        return _real_folder(package / "configs") if package else None
    folder = Path(named).expanduser()
    found = _real_folder(folder / PACKAGE / "configs") or _real_folder(folder / "configs")
    if not found:
        raise ConfigError(
            f"{PACKAGE_VARIABLE}={named} holds neither opencompass/configs nor configs; name the folder that an "
            "opencompass wheel was unpacked into, or unset it"
        )
    return found


def _real_folder(folder: Path) -> Path | None:
    return folder.resolve() if folder.is_dir() else None


def candidates(
    node: ast.ImportFrom, importer: Path, config_dirs: Sequence[Path], library: Path | None
) -> Iterator[Path]:
    """Where the base config of an import may lie, best first.

    :param importer: the config that holds the import.
    :param config_dirs: folders that stand for ``opencompass.configs``.
    :param library: OpenCompass's own ``configs``.
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
    if parts[:2] == [PACKAGE, "configs"] and library:
        yield library.joinpath(*parts[2:]).with_suffix(".py")
    package = installed_package(parts[0])
    if package:
        yield package.joinpath(*parts[1:]).with_suffix(".py")
