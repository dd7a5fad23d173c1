"""Configs by name: the shipped ones and the user's own folders."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

from opencompass_ops.errors import ConfigError

_KINDS = frozenset({"clusters", "dataset_collections", "datasets", "models", "summarizers"})


def default_config_dir() -> Path:
    """The folder of the shipped configs; ``OPENCOMPASS_OPS_CONFIG_DIR`` names another one."""
    named = os.environ.get("OPENCOMPASS_OPS_CONFIG_DIR")
    return Path(named) if named else Path(__file__).resolve().parents[3] / "include" / "configs"


def offered(kind: str = "") -> list[str]:
    """Names that a form proposes: the evaluations at the top of the config folder, or all of a kind.

    One directory is listed and nothing is read, because DAG files call this whenever they are parsed.

    :param kind: the subfolder, such as ``clusters``; "" for the ``eval_*.py``.
    """
    folder = default_config_dir() / kind
    return sorted(file.stem for file in folder.glob("*.py" if kind else "eval_*.py") if file.stem != "__init__")


def find_config(name_or_path: str, config_dirs: Sequence[Path] = (), *, kind: str = "") -> Path:
    """The config file that is meant: an existing path, or a name in the config folders.

    :param name_or_path: a path, or a file's name or path below a config folder, with or without ``.py``; upper and
        lower case count the same.
    :param config_dirs: folders to look in besides the shipped one.
    :param kind: the subfolder, such as ``clusters`` or ``models``; "" for evaluations, which lie anywhere else.
    :raises ConfigError: no config or several have the name; the message lists them or the nearest names.
    """
    path = Path(name_or_path).expanduser()
    if name_or_path.strip() and path.is_file():
        return path.resolve()
    folders = dict.fromkeys(folder.resolve() for folder in (*config_dirs, default_config_dir()))
    known = [(file, _name(file, folder / kind)) for folder in folders for file in _files(folder, kind)]
    wanted = name_or_path.strip().lower().removesuffix(".py").removeprefix("./")
    found = sorted({file for file, name in known if wanted in (name, name.rsplit("/", 1)[-1])})
    if len(found) == 1:
        return found[0]
    what = f"{kind.removesuffix('s')} config" if kind else "config"
    if found:
        raise ConfigError(f"{what} {name_or_path!r} is ambiguous: {', '.join(map(str, found))}; name one by its path")
    # The hint first: Airflow's page cuts long lines.
    raise ConfigError(
        f"{what} {name_or_path!r} not found; {_hint(wanted, known)} Looked in {', '.join(map(str, folders))}"
    )


def _files(folder: Path, kind: str) -> list[Path]:
    files = sorted((folder / kind).rglob("*.py"))
    return files if kind else [file for file in files if file.relative_to(folder).parts[0] not in _KINDS]


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix().lower()


def _hint(wanted: str, known: list[tuple[Path, str]]) -> str:
    names = sorted({name for _, name in known})
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are: {', '.join(names[:20]) or 'none'}."
