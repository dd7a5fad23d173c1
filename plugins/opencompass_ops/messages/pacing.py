"""A bot's limits, kept by all processes of this user together: 50 runs that end at once do not post at once."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

_MINUTE = 60.0


def reserve(url: str, now: float, *, per_second: int, per_minute: int, folder: Path | None = None) -> float:
    """Take the next free moment for one message; returns how many seconds from now it is.

    The file that keeps the moments holds no secret. Where it cannot be used nothing is paced: the service says itself
    that it is too much.

    :param url: of the bot.
    :param now: seconds since the epoch.
    :param folder: where the file lies; None for the user's cache.
    """
    place = folder or Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "opencompass-ops/pacing"
    try:
        place.mkdir(parents=True, exist_ok=True)
        with (place / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}.json").open("a+") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.seek(0)
            taken = _recent(stream.read(), now)
            moment = next_free(taken, now, per_second, per_minute)
            stream.seek(0)
            stream.truncate()
            stream.write(json.dumps([*taken, moment]))
    except OSError:
        return 0.0
    return moment - now


def next_free(taken: Sequence[float], now: float, per_second: int, per_minute: int) -> float:
    """The first moment at which one more message keeps both limits.

    :param taken: ascending moments of the messages before.
    """
    moment = max(now, taken[-1]) if taken else now
    for count, seconds in ((per_second, 1.0), (per_minute, _MINUTE)):
        if len(taken) >= count:
            moment = max(moment, taken[-count] + seconds)
    return moment


def _recent(text: str, now: float) -> list[float]:
    """Moments of the last minute; one far ahead is of a clock that was set back."""
    try:
        values = [float(value) for value in json.loads(text)]
    except (ValueError, TypeError):
        return []
    return sorted(value for value in values if now - _MINUTE < value < now + 10 * _MINUTE)
