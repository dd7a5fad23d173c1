"""Slack's incoming webhooks: Block Kit, its limits, and what its answers mean.

Limits are those of Slack's reference of blocks and of its page on rate limits (docs.slack.dev); errors come as a plain
word in the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opencompass_ops.messages.answers import DELIVERED, Answer, Verdict, excerpt, retry_after
from opencompass_ops.messages.fitting import longest
from opencompass_ops.messages.message import Line, Message, Tone

NAME = "slack"
MAX_BLOCKS = 50
MAX_SECTION = 3000
MAX_HEADER = 150
MAX_CHARACTERS = 12_000
"""Of all blocks together; about 13,200 are refused (``msg_blocks_too_long``)."""

PER_SECOND, PER_MINUTE = 1, 60
"""Messages that one webhook may post; Slack allows short bursts, which nobody needs here."""

_SIGNS = {
    Tone.GOOD: ":white_check_mark:",
    Tone.BAD: ":x:",
    Tone.WARN: ":warning:",
    Tone.INFO: ":arrow_forward:",
}
_NEXT_STEP = {
    "invalid_payload": "the message is malformed",
    "invalid_blocks": "the message is malformed",
    "msg_blocks_too_long": "the message is too long",
    "no_service": "the webhook is disabled, removed or wrong; make a new one and correct the connection",
    "no_service_id": "the webhook is wrong; correct the connection",
    "no_team": "the webhook's workspace is gone; make a new one and correct the connection",
    "team_disabled": "the webhook's workspace is disabled",
    "no_active_hooks": "the webhook is disabled; make a new one and correct the connection",
    "invalid_token": "the webhook is wrong; correct the connection",
    "user_not_found": "the webhook's user is gone; make a new one and correct the connection",
    "channel_not_found": "the webhook's channel is gone; make a new one and correct the connection",
    "channel_is_archived": "the webhook's channel is archived; restore it, or make a webhook for another one",
    "action_prohibited": "an administrator forbids it",
    "posting_to_general_channel_denied": "an administrator forbids posting to this channel",
}


class Slack:
    """The service; see :class:`~opencompass_ops.messages.answers.Service`."""

    name = NAME
    per_second, per_minute = PER_SECOND, PER_MINUTE

    def body(self, rendered: Mapping[str, Any], secret: str, now: float) -> dict[str, Any]:
        """The message; webhooks sign nothing."""
        return dict(rendered)

    def judge(self, answer: Answer) -> Verdict:
        """HTTP 200 is a delivery; 429 and errors of the server may be asked again."""
        said = excerpt(answer.body)
        if answer.status == 200:
            return DELIVERED
        if answer.status == 429 or answer.status >= 500:
            return Verdict(is_final=False, reason=f"HTTP {answer.status}: {said}", wait=retry_after(answer))
        hint = _NEXT_STEP.get(said, "")
        reason = f"HTTP {answer.status}: {said}"
        return Verdict(is_final=True, reason=f"{reason}; {hint}" if hint else reason)


def blocks(message: Message) -> dict[str, Any]:
    """The message as ``text`` for notifications and ``blocks`` for the channel, cut to what Slack takes."""
    return longest(len(message.lines), lambda kept: _blocks(message.shortened(kept)), _fits)


def _fits(body: Mapping[str, Any]) -> bool:
    found = body["blocks"]
    characters = sum(len(block["text"]["text"]) for block in found)
    return len(found) <= MAX_BLOCKS and characters <= MAX_CHARACTERS


def _blocks(message: Message) -> dict[str, Any]:
    title = f"{_SIGNS[message.tone]} {message.title}"
    header = {"type": "header", "text": {"type": "plain_text", "text": message.title[:MAX_HEADER], "emoji": False}}
    links = [f"<{_address(url)}|{_escape(label)}>" for label, url in message.links]
    whole = [link for link in links if len(link) <= MAX_SECTION]  # one that is cut leads nowhere
    sections = [*_joined([_line(line) for line in message.lines], "\n"), *_joined(whole, " | ")]
    return {
        "text": _escape(title),
        "blocks": [header, *({"type": "section", "text": {"type": "mrkdwn", "text": part}} for part in sections)],
    }


def _joined(lines: list[str], between: str) -> list[str]:
    """Lines in as few sections as take them; one line always fits in one."""
    sections: list[str] = []
    for line in lines:
        if sections and len(sections[-1]) + len(between) + len(line) <= MAX_SECTION:
            sections[-1] += between + line
        else:
            sections.append(line[:MAX_SECTION])
    return sections


def _line(line: Line) -> str:
    return f"*{_escape(line.label)}* {_escape(line.text)}" if line.label else _escape(line.text)


def _escape(value: str) -> str:
    """The three characters that Slack wants escaped: nobody is mentioned by a shard's name."""
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _address(url: str) -> str:
    return _escape(url).replace("|", "%7C").replace(" ", "%20")
