"""The protocol between a part's requests and what answers them: all that the rest of a job knows of an engine.

An answerer is made of the requests of one part. It plans its batches over all of them, whatever was answered before,
and is then asked for whole batches in any order; a resumed part runs its unfinished batches with the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Union


@dataclass(frozen=True)
class Failed:
    """An item that the model could not answer, though it answered others.

    :param reason: names row and value, and says what to do.
    """

    reason: str


Entry = Union[dict[str, Any], Failed]
"""What the prediction file holds for an item."""


class Answerer(Protocol):
    """Answers the requests of one part."""

    @property
    def batches(self) -> Sequence[tuple[int, ...]]:
        """Item numbers, every one once; the same whenever the part is opened."""

    @property
    def truncated(self) -> Sequence[bool]:
        """For each item, whether its prompt was cut to fit the window."""

    @property
    def token_count(self) -> int:
        """Tokens read and written so far."""

    @property
    def notes(self) -> Sequence[str]:
        """What the log should say of how the part is computed."""

    def answer(self, batch: Sequence[int]) -> Sequence[Entry]:
        """The entries of one of its batches, in its order."""
