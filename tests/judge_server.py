"""A judge on loopback that answers and fails as a script says."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Script = Callable[[str, int], Any]
"""What is shown and which try of it this is -> a text, a number (an HTTP status), a dict (the whole body) or None
(the connection is cut)."""


class JudgeServer:
    """:param script: decides every answer.
    :ivar asked: how often each text was shown.
    :ivar keys: the Authorization headers that came.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.keys: set[str | None] = set()
        self._lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def decide(self, body: dict[str, Any], key: str | None) -> Any:
        shown = body["messages"][-1]["content"]
        with self._lock:
            self.asked[shown] += 1
            self.bodies.append(body)
            self.keys.add(key)
            number = self.asked[shown]
        return self.script(shown, number)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        judge = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer = judge.decide(body, self.headers.get("Authorization"))
                if answer is None:
                    self.close_connection = True
                    return
                if isinstance(answer, int):
                    self.send_response(answer)
                    self.send_header("Retry-After", "0")
                    self.end_headers()
                    return
                content = answer if isinstance(answer, dict) else said(answer)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(json.dumps(content).encode())

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handler


def said(text: str, **message: Any) -> dict[str, Any]:
    """A chat completion."""
    return {"choices": [{"message": {"content": text, **message}, "finish_reason": "stop"}]}


@contextmanager
def judge_server(script: Script) -> Iterator[JudgeServer]:
    """The server, while the block runs."""
    judge = JudgeServer(script)
    thread = threading.Thread(target=judge.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield judge
    finally:
        judge.server.shutdown()
        judge.server.server_close()
        thread.join()
