"""Everything that is decided about a testbed before any of it starts: names, ports, paths."""

from __future__ import annotations

import grp
import json
import os
import pwd
import random
import secrets
import socket
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from opencompass_ops.clusters.processes import ProcessId

CGROUPS = Path("/sys/fs/cgroup")
PORTS = range(20000, 32000)  # below what Linux gives to outgoing connections, so that a daemon gets its port again
SOCKET_PATH = 107  # bytes that the path of a unix socket may have
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Options:
    """What tests vary.

    :param accounting: ``slurmdbd``, or ``none`` for a cluster where sacct knows nothing.
    :param enforce: AccountingStorageEnforce, e.g. ``associations,limits,qos``; "" enforces nothing.
    :param min_job_age: seconds that an ended job stays in squeue.
    :param slurmd_timeout: seconds of silence after which a node is down.
    :param message_timeout: seconds until a client gives up on slurmctld.
    :param nodes: how many, each with ``gpus`` pretended GPUs, ``cpus`` and ``memory`` MB.
    :param users: unprivileged accounts; where the testbed is not root's there is only its own user.
    :param max_sessions: channels of one SSH connection.
    :param max_startups: sshd's start:rate:full of unauthenticated connections.
    :param extra: more lines for slurm.conf.
    """

    accounting: str = "slurmdbd"
    enforce: str = ""
    min_job_age: int = 300
    slurmd_timeout: int = 10
    message_timeout: int = 10
    nodes: int = 4
    gpus: int = 8
    cpus: int = 64
    memory: int = 512_000
    users: int = 1
    max_sessions: int = 10
    max_startups: str = "10:30:100"
    extra: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.accounting not in ("slurmdbd", "none"):
            raise ValueError(f"accounting is slurmdbd or none, not {self.accounting!r}")


@dataclass(frozen=True)
class Ports:
    """Loopback ports; ``slurmd`` has one for each node."""

    ssh: int
    slurmctld: int
    slurmdbd: int
    slurmd: tuple[int, ...]

    @classmethod
    def free(cls, nodes: int) -> Ports:
        """Ports that nothing listens on right now."""
        found = _free_ports()
        return cls(next(found), next(found), next(found), tuple(next(found) for _ in range(nodes)))


@dataclass(frozen=True)
class Blueprint:
    """One testbed, as its ``bed.json`` keeps it.

    :param name: letters that no other testbed of this machine has; nodes and accounts are named after it.
    :param folder: everything lies below it.
    :param admin: the unix user whose daemons they are, and who may do everything.
    :param users: who submits jobs.
    :param group: the unix group of all ``users``; it owns ``shared``.
    :param cgroups: whether jobs are contained in cgroups, which OUT_OF_MEMORY needs.
    :param owner: the process that takes it down; once that is gone anybody may. None: it lives until somebody does.
    """

    name: str
    folder: Path
    admin: str
    users: tuple[str, ...]
    group: str
    cgroups: bool
    ports: Ports
    options: Options
    owner: ProcessId | None = None

    @classmethod
    def draw(cls, folder: Path, options: Options, owner: ProcessId | None = None) -> Blueprint:
        """A new testbed in ``folder``.

        :raises ValueError: the folder's path is too long for the sockets in it.
        """
        name = "".join(secrets.choice(_LETTERS) for _ in range(6))
        admin = pwd.getpwuid(os.geteuid()).pw_name
        is_root = os.geteuid() == 0
        bed = cls(
            name=name,
            folder=folder,
            admin=admin,
            users=tuple(f"{name}{n}" for n in range(1, options.users + 1)) if is_root else (admin,),
            group=name if is_root else grp.getgrgid(os.getegid()).gr_name,
            cgroups=is_root and _can_contain(),
            ports=Ports.free(options.nodes),
            options=options,
            owner=owner,
        )
        if len(os.fsencode(bed.database_socket)) > SOCKET_PATH:
            raise ValueError(f"{folder} is too long a path for a testbed: unix sockets end at {SOCKET_PATH} bytes")
        return bed

    @classmethod
    def read(cls, folder: Path) -> Blueprint:
        """The testbed whose folder this is.

        :raises FileNotFoundError: it is no testbed's folder.
        """
        values: dict[str, Any] = json.loads((folder / "bed.json").read_text())
        values["folder"] = folder
        values["users"] = tuple(values["users"])
        values["ports"] = Ports(**values["ports"] | {"slurmd": tuple(values["ports"]["slurmd"])})
        values["options"] = Options(**values["options"] | {"extra": tuple(values["options"]["extra"])})
        values["owner"] = ProcessId(**values["owner"]) if values["owner"] else None
        return cls(**values)

    def write(self) -> None:
        """Keep it in its folder, for :meth:`read`."""
        values = asdict(self) | {"folder": str(self.folder)}
        aside = self.folder / ".bed.json"
        aside.write_text(json.dumps(values, indent=1))
        aside.replace(self.folder / "bed.json")

    @property
    def nodes(self) -> tuple[str, ...]:
        """Node names; unlike any other testbed's, since slurmd names its cgroup after them."""
        return tuple(f"{self.name}-n{number}" for number in range(1, self.options.nodes + 1))

    @property
    def is_private(self) -> bool:
        """Whether accounts and group were made for this testbed."""
        return self.users != (self.admin,)

    @property
    def etc(self) -> Path:
        """Slurm's configuration files."""
        return self.folder / "etc"

    @property
    def slurm_conf(self) -> Path:
        """What SLURM_CONF names."""
        return self.etc / "slurm.conf"

    @property
    def logs(self) -> Path:
        """Logs of all daemons."""
        return self.folder / "log"

    @property
    def munge_socket(self) -> Path:
        """Where munged answers."""
        return self.folder / "munge" / "sock"

    @property
    def database_socket(self) -> Path:
        """Where MariaDB answers."""
        return self.folder / "database" / "mariadb.sock"

    @property
    def ssh(self) -> Path:
        """Keys, known_hosts and the configurations of sshd and ssh."""
        return self.folder / "ssh"

    @property
    def shared(self) -> Path:
        """The file system that the control side and the jobs share."""
        return self.folder / "shared"

    def home(self, user: str) -> Path:
        """The home of one of ``users``."""
        return self.folder / "home" / user

    def spool(self, node: str) -> Path:
        """A node's SlurmdSpoolDir."""
        return self.folder / "spool" / node


def _can_contain() -> bool:
    """Whether there are cgroups of version 1 to put jobs into; with version 2 alone this was never tried."""
    return all(os.access(CGROUPS / part / "cgroup.procs", os.W_OK) for part in ("memory", "freezer"))


def _free_ports() -> Iterator[int]:
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                yield port
