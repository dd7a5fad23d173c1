"""The command ``budget``: who has used how many GPU-hours, and what is left."""

from __future__ import annotations

import argparse
from datetime import date, timedelta


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; it sets ``command``, a function from the parsed arguments to the exit code."""
    budget = commands.add_parser(
        "budget", help="GPU-hours used by day, user and series, and what is left of the grants"
    )
    budget.add_argument("--days", type=int, default=7, help="how many days of UTC back (default 7)")
    budget.add_argument("--series", default="", help="only how many GPU-hours this series has left today")
    budget.set_defaults(command=_budget)


def _budget(arguments: argparse.Namespace) -> int:
    from opencompass_ops.budgets import ledger
    from opencompass_ops.budgets.account import table
    from opencompass_ops.budgets.hours import today
    from opencompass_ops.budgets.site import site
    from opencompass_ops.results.store import Store, default_url

    grants = site()
    with Store.open(default_url()) as store:
        if arguments.series:
            left = ledger.remaining(store, arguments.series, grants=grants)
            print("no limit" if left is None else f"{left:.2f}")
            return 0
        since = date.fromisoformat(today()) - timedelta(days=max(arguments.days, 1) - 1)
        print(table(store, grants, since.isoformat()))
    return 0
