"""The Debian packages that a testbed needs: found, installed when told to, or a reason why not."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import psutil

from cluster.programs import find, output

INSTALL = "OPENCOMPASS_OPS_TEST_INSTALL"
POLICY = Path("/usr/sbin/policy-rc.d")
REFUSAL = 101  # policy-rc.d: this service must not be started
APT_SECONDS = 120

# package -> what it brings: a program, or a file as a pattern below /
SLURM: Mapping[str, tuple[str, ...]] = {
    "slurmctld": ("slurmctld",),
    "slurmd": ("slurmd",),
    "slurm-client": ("sbatch", "squeue", "scontrol", "sacct"),
    "munge": ("munged", "munge"),
    "openssh-server": ("sshd",),
    "openssh-client": ("ssh", "ssh-keygen", "ssh-keyscan"),
    "slurmdbd": ("slurmdbd",),
    "slurm-wlm-mysql-plugin": ("usr/lib/*/slurm*/accounting_storage_mysql.so",),
    "mariadb-server": ("mariadbd", "mariadb", "mariadb-install-db"),
    "procps": ("ps",),
}
CONTAINERS: Mapping[str, tuple[str, ...]] = {
    "podman": ("podman",),
    "runc": ("runc",),
    "catatonit": ("catatonit",),
    "uidmap": ("newuidmap", "newgidmap"),
    "mmdebstrap": ("mmdebstrap",),
}
DAEMONS = ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd", "mysqld")


class Verdict(Enum):
    """What becomes of tests that need packages."""

    USE = "use"
    INSTALL = "install"
    SKIP = "skip"
    FAIL = "fail"


@dataclass(frozen=True)
class Decision:
    """A verdict, and for SKIP and FAIL why."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True)
class Host:
    """What counts when it is decided.

    :param missing: packages that are needed and not there.
    :param told: whether installing was asked for.
    :param configured: signs that this host belongs to a real cluster.
    :param running: daemons of others that an installation could disturb.
    """

    missing: tuple[str, ...]
    told: bool
    is_root: bool
    configured: tuple[str, ...]
    running: tuple[str, ...]


def decide(host: Host) -> Decision:
    """Use what is there, install what is not; whoever was told to install and must not says so loudly."""
    no = Verdict.FAIL if host.told else Verdict.SKIP
    if host.configured:
        return Decision(no, f"this host belongs to a Slurm cluster ({', '.join(host.configured)}); use another one")
    if not host.missing:
        return Decision(Verdict.USE)
    missing = f"Debian packages are missing: {' '.join(host.missing)}"
    if not host.told:
        return Decision(no, f"{missing}; install them, or set {INSTALL}=1 and run the tests as root")
    if not host.is_root:
        return Decision(no, f"{missing}; {INSTALL}=1 needs root")
    if host.running:
        return Decision(no, f"{missing}; not installed beside {', '.join(host.running)}: stop it, or use another host")
    return Decision(Verdict.INSTALL)


def look(packages: Mapping[str, tuple[str, ...]]) -> Host:
    """This host as it is now."""
    return Host(
        missing=missing(packages),
        told=told(),
        is_root=os.geteuid() == 0,
        configured=configured(Path("/"), os.environ),
        running=running(),
    )


def told() -> bool:
    """Whether installing was asked for; then what cannot be installed is an error."""
    return os.environ.get(INSTALL) == "1"


def missing(packages: Mapping[str, tuple[str, ...]], root: Path = Path("/")) -> tuple[str, ...]:
    """The packages of which something is not there."""

    def is_there(item: str) -> bool:
        return any(root.glob(item)) if "/" in item else find(item) is not None

    return tuple(package for package, items in packages.items() if not all(map(is_there, items)))


def configured(root: Path, environment: Mapping[str, str]) -> tuple[str, ...]:
    """The slurm.conf files of this host, those of testbeds left out."""
    found = [str(path) for path in sorted(root.glob("etc/slurm*/slurm.conf"))]
    named = environment.get("SLURM_CONF")
    return (*found, f"SLURM_CONF={named}") if named and not _is_testbeds(Path(named)) else tuple(found)


def running() -> tuple[str, ...]:
    """Daemons of Slurm, munge and MariaDB on this host, those of testbeds left out."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() in DAEMONS and not _is_testbeds(Path(process.environ().get("SLURM_CONF", "/"))):
                found.append(f"{process.name()} (pid {process.pid})")
    return tuple(sorted(found))


def _is_testbeds(slurm_conf: Path) -> bool:
    return (slurm_conf.parent.parent / "bed.json").is_file()


def install(packages: Mapping[str, tuple[str, ...]]) -> None:
    """Install what is missing, so that no service starts.

    :raises RuntimeError: apt-get failed, or something is still missing; the message says which and why.
    """
    with no_services(POLICY):
        stale = _apt("update")  # a source of somebody else's may be gone, and the packages be there all the same
        failed = _apt("install", "--yes", "--no-install-recommends", *missing(packages))
    if failed:
        raise RuntimeError("; ".join(filter(None, (failed, stale))))
    if left := missing(packages):
        raise RuntimeError(f"installed, and still missing: {' '.join(left)}")


@contextmanager
def no_services(policy: Path) -> Iterator[None]:
    """While it lasts no package starts a service; a policy that is there is used and kept.

    :param policy: the program that packages ask.
    :raises RuntimeError: the policy that is there lets services start.
    """
    is_mine = not policy.exists()
    if is_mine:
        with os.fdopen(os.open(policy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755), "w") as stream:
            stream.write(f"#!/bin/sh\nexit {REFUSAL}\n")
    try:
        answer = subprocess.run([policy, "slurmctld", "start"], capture_output=True, check=False).returncode
        if answer != REFUSAL:
            raise RuntimeError(f"{policy} lets services start (it answers {answer}); install the packages by hand")
        yield
    finally:
        if is_mine:
            policy.unlink()


def _apt(*arguments: str) -> str:
    """Run apt-get; returns what went wrong, "" when nothing did."""
    waiting = ["-o", f"DPkg::Lock::Timeout={APT_SECONDS}", "-o", "APT::Update::Error-Mode=any"]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        output(["apt-get", "--quiet", *waiting, *arguments], environment, timeout=APT_SECONDS)
    except RuntimeError as error:
        return f"apt-get {arguments[0]}: {error}"
    except subprocess.TimeoutExpired:
        return f"apt-get {arguments[0]} took more than {APT_SECONDS} s"
    return ""
