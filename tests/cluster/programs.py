"""How the daemons are started and the commands are run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence

from cluster.blueprint import Blueprint

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def find(name: str) -> str | None:
    """Where a program is; daemons lie in folders that the PATH of plain users lacks."""
    return shutil.which(name, path=PATH)


def slurmd(node: str) -> str:
    """The name of a node's daemon."""
    return f"slurmd-{node}"


def daemon(bed: Blueprint, name: str) -> tuple[list[str], dict[str, str]]:
    """A daemon's argv, which keeps it in the foreground, and variables of its own."""
    if name.startswith("slurmd-"):
        return ["slurmd", "-D", "-N", name.removeprefix("slurmd-")], {}
    if name == "munged":
        munge = bed.munge_socket.parent
        files = [f"--{part}-file={munge}/{part}" for part in ("key", "log", "pid", "seed")]
        return ["munged", "--foreground", f"--socket={bed.munge_socket}", *files], {}
    if name == "mariadbd":
        return ["mariadbd", *_database(bed), *_SMALL_DATABASE, f"--socket={bed.database_socket}"], {}
    if name == "sshd":
        return ["sshd", "-D", "-e", "-f", f"{bed.ssh}/sshd_config"], {}
    socket = {"MYSQL_UNIX_PORT": str(bed.database_socket)} if name == "slurmdbd" else {}
    return [name, "-D"], socket


_SMALL_DATABASE = (
    "--skip-networking",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=128M",
    "--innodb-log-file-size=64M",
    "--innodb-lock-wait-timeout=900",
    "--innodb-flush-log-at-trx-commit=0",
)


def install_database(bed: Blueprint) -> list[str]:
    """The command that makes an empty database, to which the admin connects without a password."""
    trust = ["--auth-root-authentication-method=socket", f"--auth-root-socket-user={bed.admin}"]
    return ["mariadb-install-db", *_database(bed), *trust, "--skip-test-db", "--skip-name-resolve"]


def _database(bed: Blueprint) -> list[str]:
    folder = bed.database_socket.parent
    return ["--no-defaults", f"--datadir={folder}/data", f"--user={bed.admin}", f"--pid-file={folder}/pid"]


def query(bed: Blueprint, statement: str) -> list[str]:
    """The command that puts a statement to the database."""
    return ["mariadb", "--no-defaults", f"--socket={bed.database_socket}", f"--execute={statement}"]


def output(argv: Sequence[str], environment: Mapping[str, str], *, stdin: str = "", timeout: float = 60) -> str:
    """What a command prints.

    :param timeout: seconds.
    :raises RuntimeError: it failed; the message holds what it wrote to stderr.
    """
    done = subprocess.run(
        [find(argv[0]) or argv[0], *argv[1:]],
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{argv[0]} failed ({done.returncode}): {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout
