"""GPU-hours that a site grants: ``budgets.yaml`` in the config folders, or the file that an environment variable names.

::

    everyone: {day: 500}              # all users together, on one day of UTC
    each_user: {day: 100}
    each_series: {day: 200, total: 4000}
    users: {alice: {day: 300}}        # in place of each_user
    series: {llm-v2: {total: 9000}}   # in place of each_series

Plain YAML, so that it is read without executing anything. Without the file nothing is limited but the clock.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opencompass_ops.budgets.hours import HOUR
from opencompass_ops.clusters import values as v
from opencompass_ops.configs.library import config_folders
from opencompass_ops.errors import ConfigError

ENVIRONMENT = "OPENCOMPASS_OPS_BUDGETS"
FILE = "budgets.yaml"

RUN, USER, SERIES, EVERYONE = "run", "user", "series", "everyone"
CLOCK = "clock"
"""A limit on time, which is nobody's in particular."""
GRANTED = (USER, SERIES, EVERYONE)
"""Kinds of limits that a run shares with others: the next day, or whoever grants, may give more."""


@dataclass(frozen=True)
class Scope:
    """One limit on GPU-hours, and whose use counts against it.

    :param kind: :data:`RUN`, :data:`USER`, :data:`SERIES` or :data:`EVERYONE`.
    :param name: the run directory, user or series; "" for everyone.
    :param day: of UTC, "" for ever.
    :param limit: GPU-seconds.
    """

    kind: str
    name: str
    day: str
    limit: float

    def counts(self, owner: str, series: str, run_dir: str) -> bool:
        """Whether the use of such a job counts against it."""
        return self.name == {RUN: run_dir, USER: owner, SERIES: series, EVERYONE: ""}[self.kind]

    def __str__(self) -> str:
        whose = {EVERYONE: "everyone", RUN: "the run"}.get(self.kind, f"{self.kind} {self.name!r}")
        return f"{self.limit / HOUR:g} GPU-hours of {whose}" + (f" on {self.day} (UTC)" if self.day else "")


@dataclass(frozen=True)
class Grant:
    """:param day: GPU-hours of one day, None for no limit.
    :param total: of all days together.
    """

    day: float | None = None
    total: float | None = None


@dataclass(frozen=True)
class Site:
    """What the file says."""

    everyone: Grant = Grant()
    each_user: Grant = Grant()
    each_series: Grant = Grant()
    users: Mapping[str, Grant] = field(default_factory=dict)
    series: Mapping[str, Grant] = field(default_factory=dict)

    def scopes(self, user: str, series: str, day: str) -> tuple[Scope, ...]:
        """The limits that hold for a user's run of a series on a day; "" is nobody's and no series."""
        granted = [(EVERYONE, "", self.everyone)]
        granted += [(USER, user, self.users.get(user, self.each_user))] if user else []
        granted += [(SERIES, series, self.series.get(series, self.each_series))] if series else []
        return tuple(
            Scope(kind, name, when, hours * HOUR)
            for kind, name, grant in granted
            for when, hours in ((day, grant.day), ("", grant.total))
            if hours is not None
        )


def site() -> Site:
    """The site's grants.

    :raises ConfigError: the file that is named is not there, or something in it is wrong.
    """
    named = os.environ.get(ENVIRONMENT, "").strip()
    files = [Path(named).expanduser()] if named else [folder / FILE for folder in config_folders()]
    found = next((file for file in files if file.is_file()), None)
    if found is None and named:
        raise ConfigError(f"${ENVIRONMENT} names {files[0]}, and there is no such file; correct it, or unset it")
    return read(found) if found else Site()


def read(file: Path) -> Site:
    """The grants in a file.

    :raises ConfigError: it cannot be read, or something in it is wrong.
    """
    from opencompass_ops.configs.yaml_file import read_yaml

    return Site(**v.parse(str(file), read_yaml(file) or {}, _FIELDS))


def _hours(where: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise ConfigError(f"{where} must be a number of GPU-hours, not {value!r}")
    return float(value)


def _grant(where: str, value: Any) -> Grant:
    return Grant(**v.parse(where, value, {"day": v.maybe(_hours), "total": v.maybe(_hours)}))


def _grants(where: str, value: Any) -> dict[str, Grant]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a table of names, such as {{alice: {{day: 300}}}}, not {value!r:.60}")
    return {str(name): _grant(f"{where}.{name}", each) for name, each in value.items()}


_FIELDS: dict[str, v.Parser] = {
    **dict.fromkeys(("everyone", "each_user", "each_series"), _grant),
    **dict.fromkeys(("users", "series"), _grants),
}
