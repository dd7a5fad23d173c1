"""Claiming a run directory, for oneself or for a team."""

from __future__ import annotations

import grp
import os
import stat
from pathlib import Path

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.errors import PlanError

_GROUP_WRITES = 0o020


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
