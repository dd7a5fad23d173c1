"""What a service said to a message, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Answer:
    """An HTTP response.

    :param headers: names in lower case.
    """

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What an answer means.

    :param is_final: asking again would get the same answer.
    :param reason: why it is no delivery, and what to do, "" when the message was taken.
    :param wait: seconds that the service asks to wait, 0 when it does not say.
    """

    is_final: bool
    reason: str = ""
    wait: float = 0.0

    @property
    def is_delivered(self) -> bool:
        """Whether the message was taken."""
        return self.is_final and not self.reason


DELIVERED = Verdict(is_final=True)


class Service(Protocol):
    """How one service is spoken to."""

    name: str
    per_second: int
    per_minute: int

    def body(self, rendered: Mapping[str, Any], secret: str, now: float) -> dict[str, Any]:
        """What is posted: the rendered message, signed where there is a secret.

        :param now: seconds since the epoch.
        """
        ...

    def judge(self, answer: Answer) -> Verdict:
        """What an answer means."""
        ...


def retry_after(answer: Answer, *names: str) -> float:
    """Seconds to wait, from the first of these headers that holds a number; 0 when none does."""
    for name in ("retry-after", *names):
        try:
            return max(0.0, float(answer.headers[name]))
        except (KeyError, ValueError):
            continue
    return 0.0


def excerpt(text: str) -> str:
    """The beginning of a body, on one line, for people."""
    return " ".join(text.split())[:200]
