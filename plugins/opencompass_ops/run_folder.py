"""The run directory: the one that a run goes on in, or a new one, claimed for oneself or for a team."""

from __future__ import annotations

import grp
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.configs.resolve import EvalConfig
from opencompass_ops.contract import layout
from opencompass_ops.errors import PlanError
from opencompass_ops.instance import absolute
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.table.place import LATEST

_GROUP_WRITES = 0o020
_STAMP = re.compile(r"\d{8}_\d{6}")
"""A run directory's name, as OpenCompass writes it; other folders beside it are never the latest run."""

_WITH_ANSWERS = (layout.PLAN, "predictions", "results")
"""What a run directory has that something can be reused of, or whose plan says what is begun."""


def work_dir_of(request: Request, config: EvalConfig, cluster: ClusterConfig) -> Path:
    """The folder that holds the run directories: as asked, as configured, or below the cluster's own.

    :raises PlanError: a file is in its way.
    """
    asked = absolute(request.work_dir or config.work_dir or str(Path(cluster.work_dir) / "default"))
    there = next(path for path in (asked, *asked.parents) if path.exists())
    if not there.is_dir():
        raise PlanError(
            f"work dir {asked} cannot be used: {there} is a file; name a folder (-w, or the config's work_dir)"
        )
    return asked


def find_reused(request: Request, work_dir: Path, say: Callable[[str], None]) -> Path | None:
    """The folder to go on in; None for a new one, as in OpenCompass also where the latest is wanted and none is there.

    OpenCompass takes the last name of any kind, and makes a folder that it is told and that is not there; here only
    runs count, and a name that is not there is a mistake.

    :param say: called with the run that is gone on in.
    :raises PlanError: the named run is not there, or none is and the mode needs one.
    """
    if request.reuse is None:
        return None
    stamps = sorted(entry.name for entry in work_dir.iterdir() if entry.is_dir()) if work_dir.is_dir() else []
    if request.reuse == LATEST:
        runs = [stamp for stamp in stamps if _STAMP.fullmatch(stamp)]
        if not runs and request.mode in ("eval", "viz"):
            raise PlanError(f"reuse=latest, but {work_dir} holds no run; mode={request.mode} needs one: run mode=all")
        if runs:
            say(f"going on in {runs[-1]}")
        return work_dir / runs[-1] if runs else None
    if request.reuse not in stamps:
        known = ", ".join(stamps[-10:]) or "none"
        raise PlanError(f"reuse={request.reuse!r} is no run of {work_dir}; there are: {known}")
    return work_dir / request.reuse


def reused_nothing(request: Request, work_dir: Path, reused: Path | None) -> list[str]:
    """A warning where somebody wants to go on in a run and there is nothing to go on with.

    :param reused: what :func:`find_reused` found.
    """
    if request.reuse is None:
        return []
    if reused is None:
        return [f"reuse={request.reuse}: nothing is reused, because {work_dir} holds no run; this is a new one"]
    if any((reused / name).exists() for name in _WITH_ANSWERS):
        return []
    return [f"reuse={request.reuse}: nothing is reused, because {reused} holds neither predictions nor results"]


def claim_run_dir(folder: Path, cluster: ClusterConfig) -> bool:
    """Make a run directory; False when there is one, for two runs of one second never share it.

    With ``group``, or an ``umask`` that lets the group write, all that is made belongs to the group and has the
    set-group-id bit, by which :class:`~opencompass_ops.contract.files.LocalFiles` knows to share what lies below.

    :raises PlanError: the work dir cannot be used, or its group is none of this user's.
    """
    group = _group_id(cluster)
    made: list[Path] = []
    try:
        for path in _missing(folder):
            if _is_new(path):
                made.append(path)
                if cluster.group or not int(cluster.umask, 8) & _GROUP_WRITES:
                    _share(path, group, int(cluster.umask, 8))
    except OSError as error:
        for path in reversed(made):
            path.rmdir()
        raise PlanError(f"work dir {folder.parent} cannot be used ({error.strerror}); choose another one") from error
    return folder in made


def _is_new(folder: Path) -> bool:
    """Make it; False when there is such a folder."""
    try:
        folder.mkdir()
    except FileExistsError:
        if folder.is_dir():
            return False
        raise
    return True


def _missing(folder: Path) -> list[Path]:
    """Outermost first; the folder itself is always one."""
    return [path for path in reversed(folder.parents) if not path.exists()] + [folder]


def _group_id(cluster: ClusterConfig) -> int:
    """-1 where no group is named, which leaves it to the folder above."""
    if not cluster.group:
        return -1
    try:
        number = grp.getgrnam(cluster.group).gr_gid
    except KeyError as error:
        raise PlanError(f"cluster {cluster.name!r}: this host has no group {cluster.group!r}; correct group") from error
    if os.geteuid() != 0 and number not in (os.getegid(), *os.getgroups()):
        raise PlanError(
            f"cluster {cluster.name!r}: this user is no member of group {cluster.group!r}, so it cannot share run "
            "directories with it; add the user to the group, or correct group"
        )
    return number


def _share(folder: Path, group: int, umask: int) -> None:
    os.chown(folder, -1, group)  # before the mode: a change of group may clear the bit
    folder.chmod(stat.S_ISGID | (0o777 & ~umask))
