"""Revisions of a repository, asked of a server that speaks as much of the hub's protocol as that takes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from checkpoint_folders import write_checkpoint
from inference.identity import weights_identity
from opencompass_ops.errors import PlanError, UnsureError
from opencompass_ops.series.config import Series
from opencompass_ops.series.hub import HubPlace
from opencompass_ops.series.keys import Keys
from opencompass_ops.series.ledger import INCOMPLETE, READY
from opencompass_ops.series.looking import look

REPOSITORY = "lab/llm"


class Hub(ThreadingHTTPServer):
    """One repository; :attr:`revisions` says which folder each name has."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.revisions: dict[str, Path] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def commit(self, name: str) -> str:
        content = b"".join(file.read_bytes() for file in sorted(self.revisions[name].iterdir()))
        return hashlib.sha1(content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: Any) -> None: ...

    def _answer(self, *, body: bool) -> None:
        path = self.path.partition("?")[0]
        commits = {self.server.commit(name): folder for name, folder in self.server.revisions.items()}
        api = f"/api/models/{REPOSITORY}"
        if path == f"{api}/refs":
            branches = [
                {"name": name, "ref": f"refs/heads/{name}", "targetCommit": self.server.commit(name)}
                for name in self.server.revisions
            ]
            return self._json({"branches": branches, "tags": [], "converts": []})
        kind, _, rest = path.removeprefix(f"{api}/").partition("/") if path.startswith(api) else ("", "", "")
        if kind == "revision":
            return self._json({"id": REPOSITORY, "sha": rest, "lastModified": "2026-11-01T00:00:00.000Z"})
        if kind == "tree":
            files = sorted(commits[rest.rstrip("/")].iterdir())
            return self._json([_entry(file) for file in files])
        if path.startswith(f"/{REPOSITORY}/resolve/"):
            commit, _, name = path.removeprefix(f"/{REPOSITORY}/resolve/").partition("/")
            return self._file(commits[commit] / name, commit, body)
        self.send_error(404)

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _file(self, file: Path, commit: str, body: bool) -> None:
        if not file.is_file():
            return self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
        content = file.read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": commit}
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes="):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            content = content[int(first) : int(last or len(content)) + 1]
        self._send(206 if asked else 200, content, headers, body=body)

    def _send(self, code: int, content: bytes, headers: dict[str, str], *, body: bool = True) -> None:
        self.send_response(code)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)


def _entry(file: Path) -> dict[str, Any]:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    entry: dict[str, Any] = {"type": "file", "oid": digest[:40], "size": file.stat().st_size, "path": file.name}
    if file.suffix == ".safetensors":
        entry["lfs"] = {"oid": digest, "size": entry["size"], "pointerSize": 130}
    return entry


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    server = Hub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def series(tmp_path: Path) -> Series:
    values = {
        "checkpoints": {
            "at": f"hf://{REPOSITORY}", "pattern": "stage1-step{step}-tokens*", "connection": "mirror",
            "stage": str(tmp_path / "stage"),
        },
        "suite": "a",
        "ready": {"settle_minutes": 0},
    }  # fmt: skip
    return Series.from_values("olmo", values)


def _place(hub: Hub, series: Series) -> HubPlace:
    async def keys_of(connection_id: str) -> Keys:
        assert connection_id == "mirror"
        return Keys(hub.url)

    return HubPlace(series, keys_of)


def test_revisions_are_checkpoints_and_brought_whole(hub: Hub, series: Series, tmp_path: Path):
    whole = write_checkpoint(tmp_path / "a", shards=2)
    half = write_checkpoint(tmp_path / "b", seed=1, tokenizer=False)
    hub.revisions = {"main": whole, "stage1-step100-tokens4B": whole, "stage1-step200-tokens8B": half}
    place = _place(hub, series)
    first, second = asyncio.run(look(series, place, {}, datetime.now(UTC)))
    assert (first.step, first.state, first.reason) == (100, READY, "")
    assert (second.step, second.state, second.reason) == (200, INCOMPLETE, "holds no tokenizer")
    brought = asyncio.run(place.bring("stage1-step100-tokens4B", first.digest))
    assert weights_identity(brought) == weights_identity(whole)
    hub.revisions["stage1-step100-tokens4B"] = write_checkpoint(tmp_path / "c", seed=2)
    with pytest.raises(PlanError, match="moved or was deleted"):
        asyncio.run(place.bring("stage1-step100-tokens4B", first.digest))


def test_a_shard_that_is_not_committed_yet_is_named(hub: Hub, series: Series, tmp_path: Path):
    folder = write_checkpoint(tmp_path / "a", shards=2)
    (folder / "model-00002-of-00002.safetensors").unlink()
    hub.revisions = {"stage1-step100-tokens4B": folder}
    (seen,) = asyncio.run(look(series, _place(hub, series), {}, datetime.now(UTC)))
    assert "1 of 2 shards model-*.safetensors are missing" in seen.reason


def test_a_repository_that_is_not_there_is_no_empty_one(hub: Hub, series: Series):
    values = {"at": "hf://lab/other", "pattern": "s{step}", "stage": "/stage", "connection": "mirror"}
    other = Series.from_values("olmo", {"checkpoints": values, "suite": "a"})
    with pytest.raises(UnsureError, match="the hub does not answer as it should"):
        asyncio.run(look(other, _place(hub, other), {}, datetime.now(UTC)))
