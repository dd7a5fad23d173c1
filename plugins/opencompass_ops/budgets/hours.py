"""Hours as people write them, and seconds as days of UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from opencompass_ops.planning.table.limits import OFF

HOUR = 3600.0


def seconds(hours: str | None) -> float | None:
    """Seconds of what a request says: a number of hours, or ``off``; None without a limit."""
    return None if hours in (None, OFF) else float(str(hours)) * HOUR


def shown(seconds_: float) -> str:
    """Hours for people: ``1.5 h``."""
    return f"{round(seconds_ / HOUR, 3):g} h"


def today() -> str:
    """The day of UTC, as the ledger counts them."""
    return datetime.now(UTC).date().isoformat()


def by_day(start: float, end: float) -> dict[str, float]:
    """How the seconds between two moments fall on days of UTC.

    :param start: seconds since 1970.
    :returns: seconds by day (ISO 8601); they add up to ``end - start``.
    """
    found: dict[str, float] = {}
    at = start
    while at < end:
        day = datetime.fromtimestamp(at, UTC).date()
        midnight = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC).timestamp()
        until = min(end, midnight)
        found[day.isoformat()] = until - at
        at = until
    return found
