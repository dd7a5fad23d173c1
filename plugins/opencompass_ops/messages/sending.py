"""One message to one service: paced, posted, judged, tried again while that can help and there is time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from opencompass_ops.configs.masking import MASK, mask
from opencompass_ops.messages.answers import Answer, Service
from opencompass_ops.messages.channels import Channel
from opencompass_ops.messages.pacing import reserve

FIRST_PAUSE = 1.0
MAX_PAUSE = 20.0
SECONDS = 15.0
"""All tries of one message together, while a run waits for them."""
PATIENT_SECONDS = 20.0
"""The same, once the run is over."""

Post = Callable[[dict[str, Any], float], Answer]
"""Posts a body within so many seconds; raises OSError when there is no answer."""


@dataclass(frozen=True)
class Outcome:
    """How it went.

    :param reason: why it was not delivered, without secrets, "" when it was.
    """

    delivered: bool
    tries: int
    reason: str = ""


@dataclass(frozen=True)
class Clock:
    """Time, which tests make go faster."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = field(default=lambda: random.uniform(0.8, 1.2))  # noqa: S311  # jitter, not a secret
    reserve: Callable[..., float] = reserve


def send(
    rendered: Mapping[str, Any],
    channel: Channel,
    service: Service,
    post: Post,
    *,
    seconds: float = SECONDS,
    clock: Clock | None = None,
) -> Outcome:
    """Post until the service takes the message, refuses it for good, or the time is over.

    A try whose answer was lost is repeated: a message may rarely come twice, and never not at all for that.

    :param seconds: for all tries together.
    """
    clock = clock or Clock()
    deadline, pause, tries, reason = clock.now() + seconds, FIRST_PAUSE, 0, "there was no time for it"
    wait = _pace(channel, service, clock)
    while clock.now() + wait < deadline:
        clock.sleep(wait)
        tries += 1
        try:
            left = max(1.0, deadline - clock.now())
            verdict = service.judge(post(service.body(rendered, channel.secret, clock.now()), left))
        except OSError as error:
            reason, asked = f"no answer: {str(error) or type(error).__name__}", 0.0
        else:
            if verdict.is_final:
                return Outcome(verdict.is_delivered, tries, without_secrets(verdict.reason, channel))
            reason, asked = verdict.reason, verdict.wait
        wait = max(asked, pause * clock.jitter(), _pace(channel, service, clock))
        pause = min(pause * 2, MAX_PAUSE)
    return Outcome(False, tries, without_secrets(f"{reason}; given up after {tries} tries", channel))


def without_secrets(text: str, channel: Channel) -> str:
    """The text with the channel's secrets, and whatever looks like one, masked."""
    for secret in channel.secrets:
        text = text.replace(secret, MASK)
    return str(mask(text))


def _pace(channel: Channel, service: Service, clock: Clock) -> float:
    limits = {"per_second": service.per_second, "per_minute": service.per_minute}
    return clock.reserve(channel.url, clock.now(), **limits)
