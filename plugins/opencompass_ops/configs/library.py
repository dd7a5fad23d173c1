"""Configs by name: the user's own folders, the shipped ones, and OpenCompass's library where one is there.

The rules are OpenCompass's (0.5.4, ``opencompass/utils/run.py``): a name is a pattern for file names, upper and lower
case alike, anywhere below the folders of its kind. Two things differ. Several files that fit are an error that lists
them, where OpenCompass warns and takes the first. And a file stands for those of the same path in later folders, as it
does for ``from opencompass.configs...``; :func:`overlaid` tells which.
"""

from __future__ import annotations

import difflib
import fnmatch
import os
from collections.abc import Sequence
from pathlib import Path

from opencompass_ops import shipped
from opencompass_ops.configs.bases import PACKAGE_VARIABLE, opencompass_configs
from opencompass_ops.errors import ConfigError

LAID = Path("include", "configs")
"""Where the configs of a project lie that was made by ``opencompass-ops init``."""

_SUBFOLDERS = {
    "clusters": ("clusters",),
    "datasets": ("datasets", "dataset_collections"),
    "models": ("models",),
    "suites": ("suites",),
    "summarizers": ("summarizers",),
}
_OF_OPENCOMPASS = frozenset({"datasets", "models", "summarizers"})
_MOST_LISTED = 20
_PARTS = frozenset(folder for folders in _SUBFOLDERS.values() for folder in folders)


def default_config_dir() -> Path:
    """The folder of the usual configs.

    ``OPENCOMPASS_OPS_CONFIG_DIR`` names it; else it is ``include/configs`` of Airflow's home, where ``opencompass-ops
    init`` lays them down; else the shipped one.
    """
    named = os.environ.get("OPENCOMPASS_OPS_CONFIG_DIR")
    if named:
        return Path(named)
    laid = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow").expanduser() / LAID
    return laid if laid.is_dir() else shipped.configs()


def config_folders(extra: Sequence[Path] = ()) -> list[Path]:
    """The config folders, each of which stands for ``opencompass.configs``, best first.

    :param extra: folders that come before ``OPENCOMPASS_OPS_CONFIG_DIRS`` (a list, as in ``PATH``) and the shipped one.
    """
    named = os.environ.get("OPENCOMPASS_OPS_CONFIG_DIRS", "").split(os.pathsep)
    folders = (*extra, *(Path(folder).expanduser() for folder in named if folder), default_config_dir())
    return list(dict.fromkeys(folder.resolve() for folder in folders))


def offered(kind: str = "") -> list[str]:
    """Names that a form proposes: the evaluations at the top of the config folders, or all of a kind.

    Folders are listed and nothing is read, because DAG files call this whenever they are parsed; of OpenCompass's
    library, which holds thousands, nothing is proposed.

    :param kind: such as ``clusters`` or ``datasets``; "" for the ``eval_*.py``.
    """
    patterns = [f"{folder}/**/*.py" for folder in _SUBFOLDERS[kind]] if kind else ["eval_*.py"]
    files = (file for folder in config_folders() for pattern in patterns for file in folder.glob(pattern))
    return sorted({file.stem for file in files if file.stem != "__init__"})


def find_config(name_or_path: str, config_dirs: Sequence[Path] = (), *, kind: str = "") -> Path:
    """The config file that is meant: an existing path, or a name in the config folders.

    :param name_or_path: a path; or the path below a folder of the kind, which counts first; or the name of a file
        anywhere below. ``.py`` may be left out, upper and lower case count the same, and in a file's name ``*``, ``?``
        and ``[...]`` stand for what they do in a shell.
    :param config_dirs: folders to look in before the others, see :func:`config_folders`.
    :param kind: ``clusters``, ``datasets``, ``models``, ``suites`` or ``summarizers``; "" for evaluations, which lie
        anywhere else. Datasets, models and summarizers are looked for in OpenCompass's library too.
    :raises ConfigError: no config or several have the name; the message lists them or the nearest names.
    """
    path = Path(name_or_path).expanduser()
    if name_or_path.strip() and path.is_file():
        return path.resolve()
    wanted = name_or_path.strip().lower().removesuffix(".py").removeprefix("./")
    known = _first_of_each_path(kind, config_dirs)
    found = [(name, file) for (_, name), file in known.items() if name == wanted]
    found = found or [(name, file) for (_, name), file in known.items() if _is_called(name, wanted)]
    if len(found) == 1:
        return found[0][1]
    what = f"{kind.removesuffix('s')} config" if kind else "config"
    if found:
        raise ConfigError(
            f"{what} {name_or_path!r} is ambiguous: {_listed([file for _, file in found])}; name one by its path, such "
            f"as {found[0][0]}.py"
        )
    if "," in name_or_path:
        several = " ".join(part.strip() for part in name_or_path.split(",") if part.strip())
        raise ConfigError(
            f"{what} {name_or_path!r} not found; if it is several names, separate them by spaces: {several} (in the "
            "form one a line)"
        )
    # The hint first: Airflow's page cuts long lines.
    raise ConfigError(
        f"{what} {name_or_path!r} not found; {_hint(wanted, [name for _, name in known])}"
        f" Looked in {_places(kind, config_dirs)}"
    )


def overlaid(file: Path, config_dirs: Sequence[Path] = ()) -> list[Path]:
    """The files of the same path in later folders and of other content, in whose place ``file`` stands.

    :param file: a config that :func:`find_config` found.
    :param config_dirs: as :func:`find_config` got them.
    """
    folders = [*config_folders(config_dirs), *_library()]
    inside = next((folder for folder in folders if file.is_relative_to(folder)), None)
    if inside is None:
        return []
    later = (folder / file.relative_to(inside) for folder in folders[folders.index(inside) + 1 :])
    return [other for other in later if other.is_file() and other.read_bytes() != file.read_bytes()]


def _first_of_each_path(kind: str, config_dirs: Sequence[Path]) -> dict[tuple[str, str], Path]:
    """The subfolder of the kind, and the path below it in small letters and without ``.py``: the file that counts."""
    known: dict[tuple[str, str], Path] = {}
    for folder in _folders(kind, config_dirs):
        for part in _SUBFOLDERS.get(kind, ("",)):
            for file in sorted((folder / part).rglob("*.py")):
                relative = file.relative_to(folder / part)
                if kind or relative.parts[0] not in _PARTS:
                    known.setdefault((part, relative.with_suffix("").as_posix().lower()), file)
    return known


def _folders(kind: str, config_dirs: Sequence[Path]) -> list[Path]:
    return config_folders(config_dirs) + (_library() if kind in _OF_OPENCOMPASS else [])


def _library() -> list[Path]:
    found = opencompass_configs()
    return [found] if found else []


def _is_called(name: str, wanted: str) -> bool:
    return fnmatch.fnmatchcase(name.rsplit("/", 1)[-1], wanted)


def _listed(files: list[Path]) -> str:
    shown = ", ".join(map(str, sorted(files)[:_MOST_LISTED]))
    return shown if len(files) <= _MOST_LISTED else f"{shown} and {len(files) - _MOST_LISTED} more"


def _hint(wanted: str, names: list[str]) -> str:
    # People know a file, not always the folder that it lies in.
    known = sorted({part for name in names for part in (name, name.rsplit("/", 1)[-1])})
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are: {', '.join(sorted(names)[:_MOST_LISTED]) or 'none'}."


def _places(kind: str, config_dirs: Sequence[Path]) -> str:
    folders = ", ".join(map(str, _folders(kind, config_dirs)))
    if kind in _OF_OPENCOMPASS and not _library():
        return f"{folders}; {PACKAGE_VARIABLE} may name an unpacked opencompass"
    return folders
