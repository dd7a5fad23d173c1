"""Many shards of a trivial job on a real Slurm with Airflow running: what it costs the site, and whom it holds up.

``make bench-slurm``; see README.md here. It prints tables and is no test: nothing fails because a figure is bad.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.shards import report, ways
from benchmarks.shards.site import Site, site
from benchmarks.shards.ways import Measured
from cluster import packages
from cluster.packages import Verdict

PLACE = Path("/tmp")  # open to all users, and short: sockets lie below it
PREFIX = "opencompass-ops-bench-"
WARM_UP = 2
"""Shards of a run before all others, so that none of them pays for what is made once."""


def main() -> int:
    """Returns the exit code."""
    arguments = _parser().parse_args()
    if problem := missing():
        print(f"bench-slurm: {problem}", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        folder = arguments.folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=PREFIX, dir=PLACE)))
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        here = stack.enter_context(site(folder.absolute(), arguments.seconds))
        text = measure(here, arguments.shards, arguments.beside)
    print(text)
    if arguments.write:
        report.put(arguments.write, text)
    return 0


def missing() -> str:
    """Why there can be no Slurm here; "" when there can."""
    decision = packages.decide(packages.look(packages.SLURM))
    return "" if decision.verdict is Verdict.USE else decision.reason or "Slurm is not installed; see make cluster-up"


def measure(here: Site, sizes: Sequence[int], beside: int) -> str:
    """All measurements, told as they end; returns the tables.

    :param sizes: shards of each run through the DAG.
    :param beside: shards of each way beside it, 0 for none.
    """

    first = ways.timed(here, WARM_UP)
    scaled: list[Measured] = []
    for size in sizes:
        for way in (ways.through_the_dag, ways.noop):
            scaled.append(way(here, size))
            print(report.scaled_table(scaled[-1:], here.uid), flush=True)
    compared: list[Measured] = []
    for way in (ways.timed, ways.ssh_operator, ways.opencompass_way) if beside else ():
        compared.append(way(here, beside))
        print(report.beside_table(compared[-1:], here.uid), flush=True)
    return report.tables(here, first, scaled, compared)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slurm", description=__doc__)
    parser.add_argument("--shards", type=int, nargs="*", default=[200, 1000], help="shards of each run (200 1000)")
    parser.add_argument("--beside", type=int, default=50, help="shards that the other ways run too, 0 for none (50)")
    parser.add_argument("--seconds", type=int, default=20, help="how long a job of those takes (20)")
    parser.add_argument("--folder", type=Path, help="where everything lies, logs too; kept (a temporary one)")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the tables into this document too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
