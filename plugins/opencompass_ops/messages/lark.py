"""Lark's (Feishu's) custom bot: cards, the plain format of OpenCompass, signature, and what its answers mean.

Format, limits and signature are those of "Use bots in groups" (open.feishu.cn, open.larksuite.com: custom bot guide).
Cards are of version 1: it is drawn by every client, and a property that a client does not know is ignored there,
while version 2 needs a client of 7.20 and refuses the card.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

from opencompass_ops.messages.answers import DELIVERED, Answer, Verdict, excerpt, retry_after
from opencompass_ops.messages.fitting import longest
from opencompass_ops.messages.message import Line, Message, Tone

NAME = "lark"
MAX_BYTES = 20_000
"""A body has at most 20 KB."""
_ROOM = MAX_BYTES - 200
"""Timestamp and signature come to the rendered message."""

PER_SECOND, PER_MINUTE = 5, 100
"""Messages that one bot may post in one group."""

THROTTLED = (11232, 230020, 99991400)
"""Codes of "too many requests": of the bot, of the group, and of the gateway before them."""
_NEXT_STEP = {
    9499: "the body is malformed",
    19001: "the bot's address is wrong; correct the connection",
    19021: "signature or clock is wrong; compare the connection's secret with the bot's, and this host's clock",
    19022: "this host's address is not in the bot's list of IP addresses; add it in the bot's settings",
    19024: "no keyword of the bot is in the message; remove the bot's keywords, or add those of all "
    "titles: Evaluation, Gate, Budget (Chinese: 评测, 门禁, 预算)",
    19036: "the message is too long",
}
_TEMPLATES = {Tone.GOOD: "green", Tone.BAD: "red", Tone.WARN: "orange", Tone.INFO: "blue"}
_MARKDOWN = re.compile(r"[&<>*_~\[\]()`#\\]")


class Lark:
    """The service; see :class:`~opencompass_ops.messages.answers.Service`."""

    name = NAME
    per_second, per_minute = PER_SECOND, PER_MINUTE

    def body(self, rendered: Mapping[str, Any], secret: str, now: float) -> dict[str, Any]:
        """The message, with timestamp and signature when the bot has a secret."""
        if not secret:
            return dict(rendered)
        timestamp = str(int(now))
        return {"timestamp": timestamp, "sign": sign(timestamp, secret), **rendered}

    def judge(self, answer: Answer) -> Verdict:
        """Only a code 0 is a delivery: Lark reports errors with HTTP 200 too."""
        code, said = _code(answer)
        is_throttled = code in THROTTLED or answer.status == 429
        if is_throttled or answer.status >= 500:
            wait = retry_after(answer, "x-ogw-ratelimit-reset")
            return Verdict(is_final=False, reason=f"HTTP {answer.status}, code {code}: {said}", wait=wait)
        if 200 <= answer.status < 300 and code == 0:
            return DELIVERED
        hint = _NEXT_STEP.get(code, "") if code is not None else "the address is not that of a Lark bot"
        reason = f"HTTP {answer.status}, code {code}: {said}"
        return Verdict(is_final=True, reason=f"{reason}; {hint}" if hint else reason)


def card(message: Message) -> dict[str, Any]:
    """The message as a card, cut to what Lark takes."""
    return longest(len(message.lines), lambda kept: _card(message.shortened(kept)), fits)


def text(content: str) -> dict[str, Any]:
    """OpenCompass's message without a title."""
    return {"msg_type": "text", "content": {"text": content}}


def post(title: str, content: str) -> dict[str, Any]:
    """OpenCompass's message with a title."""
    lines = [[{"tag": "text", "text": content}]]
    return {"msg_type": "post", "content": {"post": {"zh_cn": {"title": title, "content": lines}}}}


def fits(body: Mapping[str, Any]) -> bool:
    """Whether Lark takes a rendered message of this length, signature included."""
    return len(encode(body)) <= _ROOM


def encode(body: Mapping[str, Any]) -> bytes:
    """The bytes that are posted."""
    return json.dumps(body, ensure_ascii=False).encode()


def sign(timestamp: str, secret: str) -> str:
    """The signature of an empty text under the key ``timestamp``, line end, ``secret``, as the bot guide says.

    :param timestamp: seconds since the epoch, at most an hour old when it arrives.
    """
    mac = hmac.new(f"{timestamp}\n{secret}".encode(), b"", hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


def _card(message: Message) -> dict[str, Any]:
    lines = "\n".join(_line(line) for line in message.lines) or _escape(message.title)  # no card is empty
    links = " | ".join(f"[{_escape(label)}]({_address(url)})" for label, url in message.links)
    elements: list[dict[str, Any]] = [{"tag": "markdown", "content": part} for part in (lines, links) if part]
    return {
        "msg_type": "interactive",
        "card": {
            "config": {"wide_screen_mode": True},
            "header": {
                "template": _TEMPLATES[message.tone],
                "title": {"tag": "plain_text", "content": message.title},
            },
            "elements": elements,
        },
    }


def _line(line: Line) -> str:
    return f"**{_escape(line.label)}** {_escape(line.text)}" if line.label else _escape(line.text)


def _escape(value: str) -> str:
    """Characters of Lark's markdown as entities: a shard's name formats nothing and mentions nobody."""
    return _MARKDOWN.sub(lambda found: f"&#{ord(found[0])};", value)


def _address(url: str) -> str:
    return url.replace("(", "%28").replace(")", "%29").replace(" ", "%20")


def _code(answer: Answer) -> tuple[int | None, str]:
    """Code and message of an answer; None for the code of what is not Lark's JSON."""
    try:
        values = json.loads(answer.body)
        code = values.get("code", values.get("StatusCode"))
        return int(code), excerpt(str(values.get("msg", values.get("StatusMessage", ""))))
    except (ValueError, TypeError, AttributeError):
        return None, excerpt(answer.body)
