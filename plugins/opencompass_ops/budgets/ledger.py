"""What was used, read from the results database: GPU-hours of users, series, runs and days."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from opencompass_ops.budgets import site as sites
from opencompass_ops.budgets.hours import HOUR
from opencompass_ops.budgets.policy import Use
from opencompass_ops.budgets.site import Scope
from opencompass_ops.results.store import Store

_COLUMNS = {sites.RUN: "run_dir", sites.USER: "owner", sites.SERIES: "series"}


def spent(store: Store, scope: Scope) -> float:
    """GPU-seconds that count against a limit."""
    whose = {_COLUMNS[scope.kind]: scope.name} if scope.kind in _COLUMNS else {}
    return store.gpu_seconds(**whose, **({"day": scope.day} if scope.day else {}))


@dataclass(frozen=True)
class Standing:
    """How a limit stands.

    :param left: GPU-seconds.
    :param others: jobs under it that other processes see through.
    """

    left: float
    others: tuple[Use, ...] = ()


def standing(store: Store, scopes: Collection[Scope], own: Collection[str], since: float) -> dict[Scope, Standing]:
    """How limits stand now.

    :param own: tokens of the jobs that this process sees through.
    :param since: when another process must have been alive to count, seconds since 1970.
    """
    others = [row for row in store.metered(since) if row.token not in own] if scopes else []
    return {
        scope: Standing(
            scope.limit - spent(store, scope),
            tuple(
                Use(row.token, row.began, row.seconds, row.gpus, row.expected)
                for row in others
                if scope.counts(row.owner, row.series, row.run_dir)
            ),
        )
        for scope in scopes
    }


def gpu_hours(store: Store, series: str, day: str | None = None) -> float:
    """GPU-hours that a series has used.

    :param day: of UTC (``2026-01-31``); None for all days.
    """
    return store.gpu_seconds(series=series, **({"day": day} if day else {})) / HOUR


def remaining(store: Store, scopes: Iterable[Scope]) -> float | None:
    """GPU-hours that the least of some limits leaves; None without any."""
    return min(((scope.limit - spent(store, scope)) / HOUR for scope in scopes), default=None)


def exhausted(store: Store, scopes: Sequence[Scope]) -> dict[Scope, str]:
    """A line for each limit that is used up."""
    used = {scope: spent(store, scope) for scope in scopes}
    return {
        scope: f"{scope}: {seconds / HOUR:.1f} are used" for scope, seconds in used.items() if seconds >= scope.limit
    }
