"""Lay the example DAGs and configs down in somebody's Airflow project, and never over what they changed.

A record in the project holds the digest of each file as it was laid down, so a later release replaces the files that
nobody touched, as Debian's packages do with their settings.
"""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path

from opencompass_ops import __version__, shipped
from opencompass_ops.configs.library import LAID, default_config_dir
from opencompass_ops.errors import InputError

RECORD = ".opencompass-ops.json"
DAGS = Path("dags")


class Fate(Enum):
    """What becomes of one file."""

    NEW = "new"
    UPDATED = "updated"
    SAME = "same"
    KEPT = "kept, changed here"
    GONE = "left out, removed here"


@dataclass(frozen=True)
class Laid:
    """What :func:`lay_down` did.

    :param folder: the project, as an absolute path.
    :param fates: what became of each file, by its path below the folder.
    """

    folder: Path
    fates: dict[str, Fate]

    def having(self, *fates: Fate) -> list[str]:
        """The files with one of these fates, in order."""
        return [name for name, fate in self.fates.items() if fate in fates]


def lay_down(folder: Path, *, force: bool = False) -> Laid:
    """Put the example DAGs into ``dags/`` and the configs into ``include/configs/`` of an Airflow project.

    :param folder: made when it is absent.
    :param force: replace files that were changed and bring back those that were removed.
    :raises InputError: the folder cannot hold a project.
    :raises OSError: a file cannot be written.
    """
    root = folder.expanduser().absolute()
    if root.resolve() == shipped.source_tree():
        raise InputError(f"{root} is the source tree of opencompass-ops, which has all of it; name an Airflow project")
    for place in (root, root / DAGS, root / LAID.parent, root / LAID):
        if place.exists() and not place.is_dir():
            raise InputError(f"{place} is a file, and must be a folder; move it, or name another folder")
    known = _record(root)
    examples = _examples()
    fates = {name: _fate(root / name, source.read_bytes(), known.get(name)) for name, source in examples.items()}
    if force:
        fates = {name: Fate.UPDATED if fate in (Fate.KEPT, Fate.GONE) else fate for name, fate in fates.items()}
    for name, fate in fates.items():
        if fate in (Fate.NEW, Fate.UPDATED):
            _write(root / name, examples[name].read_bytes())
    laid = {name: _digest(examples[name].read_bytes()) for name, fate in fates.items() if fate is not Fate.KEPT}
    _write(root / RECORD, _text({**known, **laid}))
    return Laid(root, fates)


def next_steps(laid: Laid) -> str:
    """What the user does next, with the lines to type."""
    folders = {"OPENCOMPASS_OPS_HOME": laid.folder}
    if default_config_dir().resolve() != (laid.folder / LAID).resolve():
        folders["OPENCOMPASS_OPS_CONFIG_DIR"] = laid.folder / LAID
        folders["AIRFLOW__CORE__DAGS_FOLDER"] = laid.folder / DAGS
    exports = "\n".join(f"     export {name}={shlex.quote(str(path))}" for name, path in folders.items())
    return f"""\
Next:
  1. In the environment of every component of Airflow, unless it is there already:
{exports}
     export OPENCOMPASS_OPS_DATABASE=postgresql://USER:PASSWORD@HOST/opencompass
     The first says where relative folders such as outputs and data start. Without the last, scores go to an SQLite
     file in AIRFLOW_HOME.
  2. Where jobs run: correct a file of {LAID}/clusters, and give Airflow the connection that it names:
     export AIRFLOW_CONN_HPC='{{"conn_type": "ssh", "host": "login.example.org", "login": "me"}}'
     opencompass-ops doctor NAME      looks at all that jobs need there
  3. opencompass-ops plan eval_gsm8k  shows what a run would do; it starts nothing
  4. Restart Airflow, choose the DAG opencompass_eval on its page, and press Trigger.
Configs are looked for in --config-dir, in the folders of OPENCOMPASS_OPS_CONFIG_DIRS, and in OPENCOMPASS_OPS_CONFIG_DIR
(if that is not set, in $AIRFLOW_HOME/{LAID}); datasets, models and summarizers also in OpenCompass's own library."""


def _examples() -> dict[str, Path]:
    """The file behind each path of a project."""
    places = {DAGS: shipped.dags(), LAID: shipped.configs()}
    files = ((below, source, file) for below, source in places.items() for file in sorted(source.rglob("*")))
    return {(below / file.relative_to(source)).as_posix(): file for below, source, file in files if _is_example(file)}


def _is_example(file: Path) -> bool:
    """Whether a file is for everybody; suites that were published in this installation are not."""
    return file.is_file() and "__pycache__" not in file.parts and "@" not in file.name


def _fate(target: Path, content: bytes, laid: str | None) -> Fate:
    """What becomes of a file.

    :param laid: the digest of what was laid down there before, None when nothing was.
    """
    if not os.path.lexists(target):
        return Fate.GONE if laid else Fate.NEW
    if target.is_symlink() or not target.is_file():
        return Fate.KEPT
    there = target.read_bytes()
    if there == content:
        return Fate.SAME
    return Fate.UPDATED if _digest(there) == laid else Fate.KEPT


def _record(root: Path) -> dict[str, str]:
    """Digests of what was laid down before.

    :raises InputError: the record cannot be read.
    """
    file = root / RECORD
    if not file.exists():
        return {}
    try:
        return {str(name): str(digest) for name, digest in json.loads(file.read_text())["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file} cannot be read ({error}); restore it, or remove it: files then count as yours"
        ) from error


def _text(digests: dict[str, str]) -> str:
    return json.dumps({"version": __version__, "files": dict(sorted(digests.items()))}, indent=1) + "\n"


def _write(path: Path, content: bytes | str) -> None:
    """Aside, then rename: a scheduler may be reading the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_bytes(content.encode() if isinstance(content, str) else content)
    aside.replace(path)


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
