"""Lark's and Slack's webhooks on loopback, as their documentation describes them.

Lark: "Custom bot guide" (open.feishu.cn, open.larksuite.com, bot v2): errors come with HTTP 200 and a code; 19001 bad
token, 19021 signature or timestamp, 9499 malformed, 11232 throttled; a body has at most 20 KB; the signature is
base64(HMAC-SHA256(key = timestamp + "\\n" + secret, message = "")), good for an hour. The gateway before it throttles
with HTTP 429, code 99991400 and the header x-ogw-ratelimit-reset.
Slack: "Sending messages using incoming webhooks", "Rate limits" and the reference of blocks (docs.slack.dev): HTTP 200
``ok``; else a word as plain text; 429 with Retry-After; at most 50 blocks, 3,000 characters in a section, 150 in a
header.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LARK_PATH = "/open-apis/bot/v2/hook/"
SLACK_PATH = "/services/"
CUT, SILENCE = "cut", "silence"


@dataclass
class Reply:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class ChatServer:
    """Both services.

    :ivar secret: of the Lark bot; "" for one that takes unsigned messages.
    :ivar faults: what is done to the next messages, first come first: a Reply, or CUT or SILENCE.
    :ivar taken: messages that are now in the chat.
    :ivar refused: what was said to the others.
    """

    token: str = "0123-45ab"
    secret: str = ""
    faults: list[Any] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    refused: list[Reply] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    address: str = ""
    quiet: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def lark_url(self) -> str:
        return f"{self.address}{LARK_PATH}{self.token}"

    @property
    def slack_url(self) -> str:
        return f"{self.address}{SLACK_PATH}T00/B00/{self.token}"

    @property
    def texts(self) -> list[str]:
        """All words of the messages, JSON undone."""
        return [json.dumps(body, ensure_ascii=False) for body in self.taken]

    @property
    def titles(self) -> list[str]:
        """Headings of the cards."""
        return [body["card"]["header"]["title"]["content"] for body in self.taken if "card" in body]

    def answer(self, path: str, content: bytes) -> Any:
        with self._lock:
            self.times.append(time.time())
            if self.faults:
                return self.faults.pop(0)
            reply, body = self._lark(path, content) if path.startswith(LARK_PATH) else self._slack(path, content)
            (self.taken if body else self.refused).append(body or reply)
            return reply

    def _lark(self, path: str, content: bytes) -> tuple[Reply, dict[str, Any] | None]:
        if path != LARK_PATH + self.token:
            return lark_error(19001, "param invalid: incoming webhook access token invalid"), None
        if len(content) > 20_000:
            return lark_error(19036, "message too long"), None
        body = json.loads(content)
        if self.secret and not self._is_signed(body):
            said = "sign match fail or timestamp is not within one hour from current time"
            return lark_error(19021, said), None
        if body.get("msg_type") not in ("text", "post", "interactive") or not (body.get("content") or body.get("card")):
            return lark_error(9499, "Bad Request"), None
        success = {"code": 0, "msg": "success", "data": {}, "StatusCode": 0, "StatusMessage": "success", "Extra": None}
        return Reply(200, success), body

    def _is_signed(self, body: dict[str, Any]) -> bool:
        key = f"{body.get('timestamp')}\n{self.secret}"
        expected = base64.b64encode(hmac.new(key.encode(), digestmod=hashlib.sha256).digest()).decode()
        return body.get("sign") == expected and abs(time.time() - int(body["timestamp"])) < 3600

    def _slack(self, path: str, content: bytes) -> tuple[Reply, dict[str, Any] | None]:
        if path != f"{SLACK_PATH}T00/B00/{self.token}":
            return Reply(404, "no_service"), None
        body = json.loads(content)
        if not body.get("text"):
            return Reply(400, "no_text"), None
        if len(body["blocks"]) > 50 or any(not _is_block(block) for block in body["blocks"]):
            return Reply(400, "invalid_blocks"), None
        return Reply(200, "ok"), body


def lark_error(code: int, said: str, status: int = 200) -> Reply:
    """An error as the bot reports it."""
    return Reply(status, {"code": code, "msg": said, "data": {}})


def _is_block(block: dict[str, Any]) -> bool:
    text = block["text"]
    if block["type"] == "header":
        return text["type"] == "plain_text" and 0 < len(text["text"]) <= 150
    return block["type"] == "section" and text["type"] in ("mrkdwn", "plain_text") and 0 < len(text["text"]) <= 3000


@contextmanager
def chat_server(**settings: Any) -> Iterator[ChatServer]:
    """The server, while the block runs."""
    chat = ChatServer(**settings)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            reply = chat.answer(self.path, content)
            if reply == SILENCE:
                chat.quiet.wait(30)
            if reply in (CUT, SILENCE):
                self.close_connection = True
                return
            body = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    chat.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield chat
    finally:
        chat.quiet.set()
        server.shutdown()
        server.server_close()
        thread.join()
