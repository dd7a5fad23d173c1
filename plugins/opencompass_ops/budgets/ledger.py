"""What was used, read from the results database: GPU-hours of users, series, runs and days."""

from __future__ import annotations

from collections.abc import Sequence

from opencompass_ops.budgets import site as sites
from opencompass_ops.budgets.hours import HOUR, today
from opencompass_ops.budgets.site import Scope, Site
from opencompass_ops.results.store import Store

_COLUMNS = {sites.RUN: "run_dir", sites.USER: "owner", sites.SERIES: "series"}


def spent(store: Store, scope: Scope) -> float:
    """GPU-seconds that count against a limit."""
    whose = {_COLUMNS[scope.kind]: scope.name} if scope.kind in _COLUMNS else {}
    return store.gpu_seconds(**whose, **({"day": scope.day} if scope.day else {}))


def gpu_hours(store: Store, series: str, day: str | None = None) -> float:
    """GPU-hours that a series has used.

    :param day: of UTC (``2026-01-31``); None for all days.
    """
    return store.gpu_seconds(series=series, **({"day": day} if day else {})) / HOUR


def remaining(store: Store, series: str, day: str | None = None, grants: Site | None = None) -> float | None:
    """GPU-hours that the site's grants still leave a series, those of everyone included; None without a limit.

    :param day: of UTC, None for today.
    :param grants: of the site, None to read them.
    :raises ConfigError: the site's file is wrong.
    """
    scopes = (grants or sites.site()).scopes("", series, day or today())
    return min(((scope.limit - spent(store, scope)) / HOUR for scope in scopes), default=None)


def exhausted(store: Store, scopes: Sequence[Scope]) -> list[str]:
    """A line for each limit that is used up."""
    used = [(scope, spent(store, scope)) for scope in scopes]
    return [f"{scope}: {seconds / HOUR:.1f} are used" for scope, seconds in used if seconds >= scope.limit]
