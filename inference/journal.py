"""Finished items of a part that is still running, so that a killed job goes on where it stopped.

OpenCompass's name and lines (``tmp_{part}.jsonl``, ``{"idx": "0", ...}``) plus the part's fingerprint; one file per
process. A line is whole or it does not count: what a kill cut off is removed before anything is appended.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import Part

_SYNC_SECONDS = 1.0


@dataclass(frozen=True)
class Answer:
    """One finished item.

    :param item: row within the part, from 0.
    :param entry: what the prediction file holds for it.
    :param truncated: whether its prompt was cut to fit.
    """

    item: int
    entry: dict[str, Any]
    truncated: bool = False


class Journal:
    """The end of one journal file, open for appending.

    :param files: the run directory.
    :param model: the model's abbr.
    :param part: the part whose answers these are.
    :param rank: number of the process that writes.
    """

    def __init__(self, files: LocalFiles, model: str, part: Part, rank: int = 0) -> None:
        path = files.target(layout.journal(model, part.name, rank))
        self._fingerprint = part.fingerprint
        self._stream = path.open("ab", buffering=0)
        self._synced = time.monotonic()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.fsync(self._stream.fileno())
        self._stream.close()

    def append(self, answers: Iterable[Answer]) -> None:
        """Add the answers of one batch in a single write; reaches the disk within about a second."""
        self._stream.write(b"".join(self._line(answer) for answer in answers))
        if time.monotonic() - self._synced >= _SYNC_SECONDS:
            os.fsync(self._stream.fileno())
            self._synced = time.monotonic()

    def _line(self, answer: Answer) -> bytes:
        head = {"idx": str(answer.item), "fingerprint": self._fingerprint, "truncated": answer.truncated}
        return to_bytes(json.dumps({**head, **answer.entry}, ensure_ascii=False)) + b"\n"


def to_bytes(text: str) -> bytes:
    """JSON text as UTF-8; half a surrogate pair, which UTF-8 cannot hold, becomes its JSON escape."""
    return text.encode("utf-8", "backslashreplace")


def repair(files: LocalFiles, model: str, part: Part) -> None:
    """Make every journal of the part fit to append to; call it before any process writes.

    A last line without its end is cut off. A file that holds another fingerprint's lines is renamed to ``.bak``:
    its answers belong to another request and are never continued.
    """
    for path in _paths(files, model, part):
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if any(_is_foreign(line, part.fingerprint) for line in whole.split(b"\n")):
            path.replace(path.with_name(path.name + ".bak"))
            print(f"{path.name} answers another request; set aside as {path.name}.bak", flush=True)
        elif len(whole) != len(content):
            os.truncate(path, len(whole))


def read(files: LocalFiles, model: str, part: Part) -> dict[int, Answer]:
    """Every whole answer to the part, by item; damaged and foreign lines are left out."""
    answers: dict[int, Answer] = {}
    for path in _paths(files, model, part):
        content = path.read_bytes()
        for line in content[: content.rfind(b"\n") + 1].split(b"\n"):
            answer = _parse(line, part)
            if answer is not None:
                answers[answer.item] = answer
    return answers


def remove(files: LocalFiles, model: str, part: Part) -> None:
    """Delete the part's journals; its prediction file and manifest stand."""
    for path in _paths(files, model, part):
        path.unlink(missing_ok=True)


def _paths(files: LocalFiles, model: str, part: Part) -> list[Path]:
    first = files.path(layout.journal(model, part.name))
    pattern = re.compile(re.escape(first.stem) + r"(\.rank\d+)?\.jsonl")
    if not first.parent.is_dir():
        return []
    return sorted(path for path in first.parent.iterdir() if pattern.fullmatch(path.name))


def is_answer(entry: dict[str, Any]) -> bool:
    """Whether a prediction entry says something: a prediction, or how surprising a text is."""
    return "prediction" in entry or "ppl" in entry


def _load(line: bytes) -> dict[str, Any]:
    try:
        body = json.loads(line)
    except ValueError:  # UnicodeDecodeError included
        return {}
    return body if isinstance(body, dict) else {}


def _is_foreign(line: bytes, fingerprint: str) -> bool:
    return bool(_load(line).get("fingerprint", fingerprint) != fingerprint)


def _parse(line: bytes, part: Part) -> Answer | None:
    body = _load(line)
    index, truncated = body.pop("idx", None), body.pop("truncated", None)
    if body.pop("fingerprint", None) != part.fingerprint or not isinstance(truncated, bool) or not is_answer(body):
        return None
    if not isinstance(index, str) or not re.fullmatch(r"\d{1,18}", index, re.ASCII) or int(index) >= part.count:
        return None
    return Answer(int(index), body, truncated)
