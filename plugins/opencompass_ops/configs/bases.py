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


def is_of_opencompass(node: ast.ImportFrom) -> bool:
    """Whether an import names a base of OpenCompass's library by its package."""
    return not node.level and (node.module or "").split(".")[:2] == [PACKAGE, "configs"]


def libraries(importer: Path, library: Path | None) -> list[Path]:
    """The folders of OpenCompass's own configs that an import in ``importer`` is looked for in.

    :param library: OpenCompass's own ``configs``, where one was found.
    """
    around = (_real_folder(folder / PACKAGE / "configs") for folder in importer.parents)
    return list(dict.fromkeys(folder for folder in (*around, library) if folder))


def not_found(node: ast.ImportFrom, importer: Path, config_dirs: Sequence[Path], library: Path | None) -> str:
    """What to tell of an import whose base is nowhere, with where it was looked for and what to do."""
    missing = f"base config {'.' * node.level}{node.module or ''} not found"
    if not is_of_opencompass(node):
        place = next(candidates(node, importer, config_dirs, library))
        return f"{missing} (looked for {place}); correct the name"
    looked = f"{missing}; looked in {', '.join(map(str, config_dirs)) or 'no config folder'}"
    found = libraries(importer, library)
    if found:
        theirs = ", ".join(map(str, found))
        return f"{looked}, and in OpenCompass's library {theirs}; correct the name, or name a library that has it"
    return (
        f"{looked}; no OpenCompass library was found: unpack its wheel and name the folder in {PACKAGE_VARIABLE}, or "
        "install opencompass"
    )


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
