"""The unix users whose jobs run on a testbed that is root's."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from cluster.blueprint import Blueprint

COMMENT = "opencompass-ops testbed"
LOCK_SECONDS = 20
TEMPORARY = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))


def add(bed: Blueprint) -> None:
    """Make the testbed's group, its users and their homes; where it is not root's there is nothing to make.

    :raises RuntimeError: useradd refused; the message is its own.
    """
    if bed.is_private:
        _change("groupadd", bed.group)
    for user in bed.users:
        home = bed.home(user)
        home.mkdir(parents=True)
        if bed.is_private:
            # A password that no text has, but no "!": without PAM sshd takes that for a locked account.
            options = ["--no-create-home", "--home-dir", str(home), "--shell", "/bin/bash", "--gid", bed.group]
            _change("useradd", *options, "--password", "*", "--comment", COMMENT, user)
            os.chown(home, *ids(user))


def ids(user: str) -> tuple[int, int]:
    """The numbers of a user and of its group."""
    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid


def remove(bed: Blueprint) -> None:
    """End every process of the testbed's own users and remove them."""
    if not bed.is_private:
        return
    for user in bed.users:
        with suppress(KeyError):
            entry = pwd.getpwnam(user)
            if entry.pw_gecos == COMMENT:
                _end_all(entry.pw_uid)
                _remove_temporary(entry.pw_uid)
                _change("userdel", user)
    subprocess.run(["/usr/sbin/groupdel", bed.group], capture_output=True, check=False)  # userdel may have done it


def _end_all(uid: int) -> None:
    """Kill what the user runs until there is nothing left: killing may uncover a parent that starts more."""
    deadline = time.monotonic() + LOCK_SECONDS
    while (pids := processes(uid)) and time.monotonic() < deadline:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _remove_temporary(uid: int) -> None:
    """Remove the user's temporary files: they would belong to the next user that gets the number."""
    for path in (path for folder in TEMPORARY for path in folder.iterdir()):
        with suppress(FileNotFoundError):
            if path.lstat().st_uid != uid:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


_PAUSES = ("podman pause", "catatonit -P")


def of_jobs(uid: int) -> list[str]:
    """Command lines of a user's processes that a job started, but for what keeps rootless podman's namespaces."""
    found = []
    for pid in processes(uid):
        with suppress(OSError):  # it has just ended
            place = Path(f"/proc/{pid}")
            line = place.joinpath("cmdline").read_text().replace("\0", " ").strip()
            if b"SLURM_JOB_ID=" in place.joinpath("environ").read_bytes() and line not in _PAUSES:
                found.append(line)
    return found


def processes(uid: int) -> list[int]:
    """Pids of a user's processes, zombies left out."""
    found = subprocess.run(["ps", "-o", "pid=,stat=", "-u", str(uid)], capture_output=True, text=True, check=False)
    rows = [line.split() for line in found.stdout.splitlines()]
    return [int(pid) for pid, state in rows if not state.startswith("Z")]


def _change(program: str, *arguments: str) -> None:
    """Run a program that changes /etc/passwd; another one may hold its lock for a moment."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        done = subprocess.run([f"/usr/sbin/{program}", *arguments], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        if "cannot lock" not in done.stderr or time.monotonic() > deadline:
            raise RuntimeError(f"{program} {arguments[-1]} failed ({done.returncode}): {done.stderr.strip()}")
        time.sleep(0.1)
