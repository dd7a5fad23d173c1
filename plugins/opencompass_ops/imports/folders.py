"""Which folders hold a run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from opencompass_ops.contract import codec, layout

RESULTS = "results"
BESIDE = ("configs", "predictions", "summary", "logs")
"""What OpenCompass writes beside the results of a run."""

_STAMP = re.compile(r"\d{8}_\d{6}")


@dataclass(frozen=True)
class RunFolder:
    """A folder with the results of one run, links resolved.

    :param is_ours: whether opencompass-ops wrote it and its manifests tell what was scored.
    """

    path: Path
    is_ours: bool

    @property
    def stamp(self) -> str:
        """The launch that the folder is named after; "" when it was renamed."""
        return self.path.name if _STAMP.fullmatch(self.path.name) else ""

    def digest(self, *more: object) -> str:
        """Changes when a config, a prediction or a result is added, removed or written.

        :param more: what else the import depends on.
        """
        listed = [
            _state(file) for part in ("configs", "predictions", RESULTS) for file in files_below(self.path / part)
        ]
        return codec.digest([listed, *map(str, more)])


@dataclass(frozen=True)
class Unread:
    """What was left out, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def find_runs(folders: Iterable[Path]) -> tuple[list[RunFolder], list[Unread]]:
    """Every run in or below the folders, each once, by path.

    A run is a folder that holds ``results`` and, beside it, anything else that OpenCompass writes, or whose name is
    a timestamp. Below a run nothing is looked for; neither behind links (``latest``) nor in hidden folders.
    """
    runs: dict[Path, RunFolder] = {}
    unread: list[Unread] = []
    for folder in folders:
        if not folder.is_dir():
            unread.append(Unread(folder, "there is no such folder; correct the name"))
            continue
        found = [RunFolder(path, (path / layout.PLAN).is_file()) for path in _below(folder.resolve(), unread)]
        odd = [run for run in found if not is_text(run.path)]
        unread += [Unread(Path(ascii(str(run.path))), "has a name that is no text; rename it") for run in odd]
        if not found:
            unread.append(Unread(folder, "no run is in or below it (a folder with results/ and configs/); name others"))
        runs |= {run.path: run for run in found if run not in odd}
    return [runs[path] for path in sorted(runs)], unread


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder, by path; empty when there is no such folder."""
    return sorted(
        Path(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if not name.startswith(".")
    )  # fmt: skip


def is_text(path: Path) -> bool:
    """Whether a path is text that a database can hold; file systems allow any bytes."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _below(folder: Path, unread: list[Unread]) -> Iterator[Path]:
    def cannot_read(error: OSError) -> None:
        unread.append(Unread(Path(error.filename), f"cannot be listed ({error.strerror}); correct its permissions"))

    for place, inner, _ in os.walk(folder, onerror=cannot_read):
        if RESULTS in inner and (_STAMP.fullmatch(Path(place).name) or not set(BESIDE).isdisjoint(inner)):
            yield Path(place)
            inner.clear()
        inner[:] = sorted(name for name in inner if not name.startswith("."))


def _state(file: Path) -> list[object]:
    state = file.lstat()
    return [ascii(str(file)), state.st_size, state.st_mtime_ns]
