"""The command ``init``: our DAGs and configs in an Airflow project that is already there."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; it sets ``command``, a function from the parsed arguments to the exit code."""
    init = commands.add_parser("init", help="lay DAGs and configs down in an Airflow project; changed files are kept")
    init.add_argument("folder", metavar="DIR", type=Path, help="the project, often $AIRFLOW_HOME")
    init.add_argument("--force", action="store_true", help="replace changed files and bring back removed ones")
    init.set_defaults(command=_init)


def _init(arguments: argparse.Namespace) -> int:
    from opencompass_ops.project import Fate, lay_down, next_steps

    laid = lay_down(arguments.folder, force=arguments.force)
    counts = {fate: laid.having(fate) for fate in Fate}
    told = ", ".join(f"{len(names)} {fate.value}" for fate, names in counts.items() if names)
    print(f"{laid.folder}: {told}")
    for fate in (Fate.KEPT, Fate.GONE, Fate.UPDATED):
        for name in counts[fate]:
            print(f"  {fate.value}: {name}")
    if counts[Fate.KEPT]:
        print("  --force replaces what was changed here by the files of this release")
    print(f"\n{next_steps(laid)}")
    return 0
