"""What people are told of limits: of one run, and of everybody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from opencompass_ops.budgets import events, ledger
from opencompass_ops.budgets.hours import HOUR, today
from opencompass_ops.budgets.site import RUN, Scope, Site
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.results.store import Store


def limits_met(files: LocalFiles, plan: Plan, database_url: str) -> list[str]:
    """Lines for a run's report: GPU-hours it has used, and which of its limits were met since its launch."""
    limits = plan.limits
    if not limits:
        return []
    with Store.open(database_url) as store:
        used = ledger.spent(store, Scope(RUN, str(files.root), "", 0.0)) / HOUR
    lines = [f"{used:.2f} GPU-hours were used" + (f" by {limits.user}" if limits.user else "")] if used else []
    launched = datetime.fromisoformat(limits.launched).astimezone(UTC).isoformat(timespec="milliseconds")
    met = events.summary(events.told(files, since=launched))
    if met:
        met.append(events.way_on(files.root.name))
    return lines + met


def table(store: Store, grants: Site, since: str, own: Sequence[Scope] = ()) -> str:
    """GPU-hours by day, user and series, and what is left of each limit today.

    :param since: the first day of UTC.
    :param own: limits that series say of themselves.
    """
    rows = [
        (day, owner or "-", series or "-", f"{seconds / HOUR:.2f}")
        for day, owner, series, seconds in store.usage(since)
    ]
    lines = _aligned([("day (UTC)", "user", "series", "GPU-hours"), *rows]) if rows else ["no GPU was used"]
    names = {(owner, series) for _, owner, series, _ in rows}
    scopes = dict.fromkeys(
        scope
        for owner, series in [("", ""), *sorted(names)]
        for scope in grants.scopes("" if owner == "-" else owner, "" if series == "-" else series, today())
    )
    scopes |= dict.fromkeys(own)
    left = [f"{scope}: {(scope.limit - ledger.spent(store, scope)) / HOUR:.2f} left" for scope in scopes]
    return "\n".join([*lines, *([""] if left else []), *left])


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
