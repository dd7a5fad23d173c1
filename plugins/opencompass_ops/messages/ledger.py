"""What was told of a run, and what could not be told: ``notifications.jsonl`` beside the plan."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles

MOMENTS = ("start", "hang", "end")
"""When a run has a message of its own; OpenCompass's reports have other names."""


@dataclass(frozen=True)
class Entry:
    """One attempt to tell something.

    :param channel: its name.
    :param moment: one of :data:`MOMENTS`, or the name of one of OpenCompass's reports.
    :param key: of the news, see :attr:`Digest.key`.
    :param kind: what it was about.
    :param reason: why it was not delivered, "" when it was.
    """

    channel: str
    moment: str
    key: str
    kind: str
    delivered: bool
    tries: int
    reason: str = ""
    time: str = ""

    def to_values(self) -> dict[str, Any]:
        """Plain JSON values, which a :class:`ShortLedger` takes."""
        return asdict(self)

    @property
    def line(self) -> str:
        """For people."""
        told = f"delivered after {self.tries} tries" if self.tries > 1 else "delivered"
        what = self.kind if self.moment in MOMENTS else self.moment
        return f"{what} to {self.channel}: {told if self.delivered else f'NOT delivered: {self.reason}'}"


class Ledger(Protocol):
    """Where entries are kept."""

    def entries(self) -> Sequence[Entry]:
        """All of them, oldest first."""
        ...

    def add(self, entry: Entry) -> None:
        """Keep one more."""
        ...


class RunLedger:
    """The ledger of a run directory.

    :param run_dir: the directory; it must be there.
    """

    def __init__(self, run_dir: str) -> None:
        self._files = LocalFiles(run_dir)

    def claim(self, moment: str, launch: str) -> bool:
        """Whether this process is the one that tells of a moment of a launch that many see at once."""
        place = self._files.target(layout.told(f"{moment}-{codec.digest(launch)[:12]}"))
        try:
            place.mkdir()
        except FileExistsError:
            return False
        return True

    def entries(self) -> Sequence[Entry]:
        """All of them, oldest first; lines that cannot be read tell nothing."""
        try:
            content = self._files.read(layout.NOTIFICATIONS)
        except FileNotFoundError:
            return []
        return [entry for line in content.splitlines() if (entry := _entry(line))]

    def add(self, entry: Entry) -> None:
        """Append one line."""
        stamped = entry.to_values() | {"time": datetime.now(UTC).isoformat(timespec="seconds")}
        self._files.append(layout.NOTIFICATIONS, json.dumps(stamped, ensure_ascii=False))


class ShortLedger:
    """For a run that has no directory: plain values that somebody else keeps.

    :param kept: entries as :meth:`Entry.to_values` gave them.
    """

    def __init__(self, kept: Sequence[dict[str, Any]] = ()) -> None:
        self._entries = [Entry(**values) for values in kept]

    def entries(self) -> Sequence[Entry]:
        """All of them, oldest first."""
        return list(self._entries)

    def add(self, entry: Entry) -> None:
        """Keep one more."""
        self._entries.append(entry)


class DayLedger:
    """What was told of one piece of news within a day, for a look for checkpoints, which has no run directory.

    It lies in this user's cache; one that is lost or cannot be written costs a repeated message.

    :param subject: what the news is of.
    :param key: of the news, see :attr:`Digest.key`.
    """

    def __init__(self, subject: str, key: str) -> None:
        cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
        self._files = LocalFiles(cache / "opencompass-ops/told")
        self._name, self._key = f"{codec.digest(subject)[:16]}.jsonl", key

    def entries(self) -> Sequence[Entry]:
        """Those of this news, oldest first."""
        return [entry for entry in self._recent() if entry.key == self._key]

    def add(self, entry: Entry) -> None:
        """Keep one more, and none that is older than a day."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        kept = [one.to_values() for one in self._recent()] + [entry.to_values() | {"time": now}]
        with suppress(OSError):
            self._files.write(self._name, "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in kept))

    def _recent(self) -> list[Entry]:
        try:
            lines = self._files.read(self._name).splitlines()
        except OSError:
            return []
        since = (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec="seconds")
        return [entry for line in lines if (entry := _entry(line)) and entry.time > since]


def is_told(ledger: Ledger, channel: str, moment: str, key: str) -> bool:
    """Whether the last thing that the channel was told of this moment is this news."""
    told = [entry for entry in ledger.entries() if (entry.channel, entry.moment) == (channel, moment)]
    delivered = [entry for entry in told if entry.delivered]
    return bool(delivered) and delivered[-1].key == key


def _entry(line: bytes) -> Entry | None:
    try:
        return Entry(**json.loads(line))
    except (ValueError, TypeError):
        return None
