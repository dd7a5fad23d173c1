"""The command ``budget``: who has used how many GPU-hours, and what is left."""

from __future__ import annotations

import argparse
import sys
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opencompass_ops.budgets.site import Scope


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

    grants, (owners, own) = site(), _of_series()
    with Store.open(default_url()) as store:
        if arguments.series:
            name = arguments.series
            scopes = grants.scopes(owners.get(name, ""), name, today())
            left = ledger.remaining(store, (*scopes, *(scope for scope in own if scope.name == name)))
            print("no limit" if left is None else f"{left:.2f}")
            return 0
        since = date.fromisoformat(today()) - timedelta(days=max(arguments.days, 1) - 1)
        print(table(store, grants, since.isoformat(), own))
    return 0


def _of_series() -> tuple[dict[str, str], list[Scope]]:
    """Who owns each series, and the limits that series say of themselves; one that cannot be read is told."""
    from opencompass_ops.budgets.hours import HOUR
    from opencompass_ops.budgets.site import SERIES, Scope
    from opencompass_ops.errors import ConfigError
    from opencompass_ops.series.config import read_file, series_files

    owners, own = {}, []
    for name, file in series_files().items():
        try:
            series = read_file(file)
        except ConfigError as error:
            print(f"{name}: not counted: {error}", file=sys.stderr)
            continue
        owners[name] = series.owner
        if series.limits.gpu_hours is not None:
            own.append(Scope(SERIES, name, "", series.limits.gpu_hours * HOUR))
    return owners, own
