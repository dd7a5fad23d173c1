"""The folder of a testbed: configuration, keys, pretended devices."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from cluster import accounts, settings
from cluster.blueprint import Blueprint
from cluster.programs import output

FOLDERS = ("etc", "munge", "slurmctld", "log", "pids", "gpu", "ssh", "home", "shared", "database")
RUN_SSHD = Path("/run/sshd")  # where sshd locks itself in before it knows who comes; compiled in


def prepare(bed: Blueprint) -> None:
    """Make everything that the daemons need before the first one starts.

    :raises RuntimeError: the folder is not empty, others cannot reach it, or a user could not be made.
    """
    bed.folder.mkdir(parents=True, exist_ok=True)
    if any(bed.folder.iterdir()):
        raise RuntimeError(f"{bed.folder} is not empty; a testbed that is up there ends with `down`")
    if bed.is_private and (closed := [str(path) for path in bed.folder.parents if not path.stat().st_mode & 0o001]):
        raise RuntimeError(f"the cluster's users could not reach {bed.folder}: {closed[0]} is closed to others")
    bed.write()
    for folder in (*(bed.folder / name for name in FOLDERS), *map(bed.spool, bed.nodes)):
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    bed.folder.chmod(0o755)
    accounts.add(bed)
    _share(bed)
    _write_slurm(bed)
    _write_ssh(bed)


def _share(bed: Blueprint) -> None:
    """What is made in ``shared`` belongs to the users' group."""
    shutil.chown(bed.shared, group=bed.group)
    bed.shared.chmod(0o2775)


def _write_slurm(bed: Blueprint) -> None:
    _write_private(bed.munge_socket.parent / "key", secrets.token_bytes(128))
    for number in range(bed.options.gpus):
        (bed.folder / "gpu" / f"nvidia{number}").symlink_to("/dev/null")
    bed.slurm_conf.write_text(settings.slurm_conf(bed))
    (bed.etc / "gres.conf").write_text(settings.gres_conf(bed))
    _write_private(bed.etc / "slurmdbd.conf", settings.slurmdbd_conf(bed).encode())
    if bed.cgroups:
        (bed.etc / "cgroup.conf").write_text(settings.cgroup_conf(bed))


def _write_ssh(bed: Blueprint) -> None:
    for name in ("host_key", "user_key"):
        output(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", bed.name, "-f", str(bed.ssh / name)], os.environ)
    shutil.copy(bed.ssh / "user_key.pub", bed.ssh / "authorized_keys")
    (bed.ssh / "authorized_keys").chmod(0o644)
    (bed.ssh / "known_hosts").write_text(settings.known_hosts(bed, (bed.ssh / "host_key.pub").read_text()))
    (bed.ssh / "sshd_config").write_text(settings.sshd_config(bed))
    (bed.ssh / "config").write_text(settings.ssh_config(bed))
    if os.geteuid() == 0:
        RUN_SSHD.mkdir(exist_ok=True)


def _write_private(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
