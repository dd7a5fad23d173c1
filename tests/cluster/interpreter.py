"""A Python for the jobs: the testbed's users may not reach the one that runs the tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from cluster.accounts import ids
from cluster.blueprint import Blueprint

_CHECK = (
    "import sys, importlib.util as found; sys.exit(None if found.find_spec('torch') else f'no torch in {sys.path}')"
)


def python_for(bed: Blueprint) -> Path:
    """This Python, or where its users cannot run it a copy that uses the same installed packages.

    :raises RuntimeError: the packages cannot be read by the testbed's users either; the message says which folder.
    """
    own = Path(sys.executable)
    copy = bed.folder / "python" / "bin" / "python"
    if copy.exists():
        return copy
    if not _problem(bed, own):
        return own
    _copy(bed.folder / "python")
    if problem := _problem(bed, copy):
        packages = sysconfig.get_path("purelib")
        raise RuntimeError(f"user {bed.users[0]} cannot run Python with the packages of {packages}: {problem}")
    return copy


def _problem(bed: Blueprint, python: Path) -> str:
    """Why the first user cannot run this Python with torch, "" when it can."""
    uid, gid = ids(bed.users[0])
    identity = {"user": uid, "group": gid, "extra_groups": []} if bed.is_private else {}
    try:
        done = subprocess.run(
            [python, "-c", _CHECK], cwd="/", env={}, capture_output=True, text=True, check=False, **identity
        )
    except OSError as error:
        return str(error)
    return done.stderr.strip() or f"it ended with {done.returncode}" if done.returncode else ""


def _copy(folder: Path) -> None:
    """The base interpreter, a virtual environment on it, and a start script that finds its shared library."""
    base = folder / "base"
    standard = Path(sysconfig.get_path("stdlib"))
    executable = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}").resolve()
    skip = shutil.ignore_patterns("site-packages", "test", "tests", "idlelib", "config-*")
    shutil.copytree(standard, base / "lib" / standard.name, ignore=skip)
    for library in Path(sys.base_prefix, "lib").glob("libpython*.so*"):
        shutil.copy(library, base / "lib")
    (base / "bin").mkdir()
    shutil.copy(executable, base / "bin" / executable.name)
    (folder / "bin").mkdir()
    venv = folder / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").symlink_to(base / "bin" / executable.name)
    (venv / "pyvenv.cfg").write_text(f"home = {base}/bin\n")
    packages = venv / "lib" / standard.name / "site-packages"
    packages.mkdir(parents=True)
    # A plain path: the .pth files in that folder are not read, so the checkout is on no job's path.
    (packages / "tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    start = folder / "bin" / "python"
    start.write_text(
        f'#!/bin/sh\nexport LD_LIBRARY_PATH="{base}/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}"\n'
        f'exec "{venv}/bin/python" "$@"\n'
    )
    start.chmod(0o755)
