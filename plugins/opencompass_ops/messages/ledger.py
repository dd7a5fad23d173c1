"""What was told of a run, and what could not be told: ``notifications.jsonl`` beside the plan."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
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
