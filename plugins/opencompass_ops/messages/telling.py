"""A digest to every channel that wants it, once; whatever goes wrong is told and hurts nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from opencompass_ops.contract import codec
from opencompass_ops.messages import lark, slack
from opencompass_ops.messages.answers import Service
from opencompass_ops.messages.channels import Channel
from opencompass_ops.messages.digest import Digest
from opencompass_ops.messages.ledger import Entry, Ledger, is_told
from opencompass_ops.messages.message import Message, compose
from opencompass_ops.messages.reports import reports
from opencompass_ops.messages.sending import SECONDS, Clock, Outcome, send, without_secrets
from opencompass_ops.messages.transport import post_for

Say = Callable[[str], None]

_SERVICES: dict[str, Service] = {lark.NAME: lark.Lark(), slack.NAME: slack.Slack()}


def tell(
    digest: Digest, channels: Sequence[Channel], ledger: Ledger, say: Say, *, seconds: float = SECONDS
) -> list[Entry]:
    """Send what was not told yet, note how it went, and say so.

    :param channels: those that want this digest.
    :param say: called with one line per message.
    :param seconds: for all tries of one message.
    :returns: what was tried.
    """
    tried = []
    for channel in channels:
        for moment, rendered in _letters(digest, channel):
            key = codec.digest(rendered)[:16] if channel.reports else digest.key
            if is_told(ledger, channel.name, moment, key):
                say(f"{digest.kind.value} to {channel.name}: told before, not repeated")
                continue
            outcome = deliver(channel, rendered, seconds=seconds)
            entry = Entry(
                channel.name, moment, key, digest.kind.value, outcome.delivered, outcome.tries, outcome.reason
            )
            say(entry.line)
            ledger.add(entry)
            tried.append(entry)
    return tried


def deliver(channel: Channel, rendered: dict[str, Any], *, seconds: float, clock: Clock | None = None) -> Outcome:
    """Send one rendered message; never raises."""
    try:
        service = _SERVICES[channel.service]
        return send(rendered, channel, service, post_for(channel), seconds=seconds, clock=clock)
    except Exception as error:  # the edge of a run that must not suffer for its messages
        return Outcome(False, 0, without_secrets(f"{type(error).__name__}: {error}", channel))


def render(message: Message, channel: Channel) -> dict[str, Any]:
    """A message as the channel's service takes it."""
    return slack.blocks(message) if channel.service == slack.NAME else lark.card(message)


def _letters(digest: Digest, channel: Channel) -> Iterator[tuple[str, dict[str, Any]]]:
    """Moment and rendered message of each that a digest comes to: OpenCompass has one for each stage."""
    if channel.reports:
        yield from reports(digest).items()
    else:
        yield digest.moment, render(compose(digest, channel.language), channel)
