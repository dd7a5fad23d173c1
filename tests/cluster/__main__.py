"""``make cluster-up`` and ``make cluster-down``: a Slurm with sshd on loopback, to try things on."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from cluster import packages
from cluster.blueprint import Options
from cluster.packages import Verdict
from cluster.testbed import Testbed
from cluster.usage import offer


def main() -> int:
    """Returns the exit code."""
    arguments = _parser().parse_args()
    folder = arguments.folder.absolute()
    if arguments.command == "down":
        return down(folder)
    if arguments.command == "status":
        return status(folder)
    given = {key: value for key, value in vars(arguments).items() if key not in ("command", "folder")}
    return up(folder, Options(**given))


def up(folder: Path, options: Options) -> int:
    """Bring it up unless it is up, and say how to use it."""
    decision = packages.decide(packages.look(packages.SLURM))
    if decision.verdict in (Verdict.SKIP, Verdict.FAIL):
        print(f"cluster-up: {decision.reason}", file=sys.stderr)
        return 1
    if decision.verdict is Verdict.INSTALL:
        print("Installing Debian packages (about a minute)", flush=True)
        packages.install(packages.SLURM)
    start = time.monotonic()
    bed = find(folder)
    if bed is None or not is_up(bed):
        if bed is not None:
            bed.down()
        bed = Testbed.up(folder, options)
        print(f"Slurm is up in {time.monotonic() - start:.1f} s: {len(bed.bed.nodes)} nodes, {options.gpus} GPUs each")
    else:
        print("Slurm is up already")
    print(offer(bed))
    return 0


def down(folder: Path) -> int:
    """Take it down."""
    start = time.monotonic()
    bed = find(folder)
    if bed is None:
        print(f"No Slurm is up in {folder}")
        return 0
    bed.down()
    print(f"Slurm is down in {time.monotonic() - start:.1f} s")
    return 0


def status(folder: Path) -> int:
    """Say which daemons run; the exit code is 0 when all do."""
    bed = find(folder)
    if bed is None:
        print(f"No Slurm is up in {folder}")
        return 1
    for name, pid in bed.daemons.alive.items():
        print(f"{name:24} pid {pid}")
    return 0 if is_up(bed) else 1


def find(folder: Path) -> Testbed | None:
    """The testbed in this folder, if there is one."""
    try:
        return Testbed.of(folder)
    except FileNotFoundError:
        return None


def is_up(bed: Testbed) -> bool:
    """Whether every daemon runs that was started."""
    return bed.daemons.alive.keys() == bed.daemons.started


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cluster", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("--folder", type=Path, default=Path(".cluster"), help="everything lies below it (.cluster)")
    parser.add_argument("--accounting", choices=["slurmdbd", "none"], default="slurmdbd")
    parser.add_argument("--min-job-age", type=int, default=300, metavar="SECONDS")
    parser.add_argument("--max-sessions", type=int, default=10, metavar="CHANNELS")
    parser.add_argument("--max-startups", default="10:30:100", metavar="START:RATE:FULL")
    parser.add_argument("--users", type=int, default=1, choices=[1, 2])
    return parser


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, ValueError, TimeoutError) as error:
        sys.exit(f"cluster: {error}")
