"""What a training run has written, told where it lies; standard library only, for a login node without torch."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path

from inference.identity import file_digest, safetensors_header, weights_identity
from inference.problems import InputProblem
from opencompass_ops.contract.checkpoints import (
    ARCHIVE_END,
    ARCHIVE_START,
    ARCHIVE_TAIL,
    Inside,
    ScanReport,
    ScanRequest,
    SeenCheckpoint,
    SeenFile,
    is_read_whole,
    is_weights,
    summed_files,
)

_TEXT_LIMIT = 64 << 20


def main_checkpoints() -> int:
    """Answer the request on stdin with a report on stdout; 0, because problems stand in the report."""
    with redirect_stdout(sys.stderr):
        report = scan(ScanRequest.from_json(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(report.to_json().encode())
    return 0


def scan(request: ScanRequest) -> ScanReport:
    """List, look inside and identify, each as far as asked; what vanishes meanwhile is left out."""
    root = Path(os.path.expanduser(request.folder))  # noqa: PTH111  # pathlib's raises for an unknown user
    now = time.time_ns() // 1_000_000
    if not root.is_dir():
        return ScanReport(now, problem=f"{root} is no folder on this host")
    try:
        seen = tuple(_listed(root, request)) if request.pattern else ()
    except PermissionError as error:
        return ScanReport(now, problem=f"{root} cannot be listed: {error}")
    cache_dir = os.path.expanduser(request.cache_dir)  # noqa: PTH111
    inside = []
    for name in request.inspect:
        with suppress(FileNotFoundError):
            inside.append(_inside(name, root / name, request.checksums, cache_dir))
    identities = {}
    for name in request.identify:
        with suppress(OSError, InputProblem):
            identities[name] = weights_identity(root / name, cache_dir)
    return ScanReport(now, seen, tuple(inside), identities)


def _listed(root: Path, request: ScanRequest) -> Iterator[SeenCheckpoint]:
    wanted = re.compile(request.pattern)
    for folder in _folders(root, request.depth):
        name = folder.relative_to(root).as_posix()
        if wanted.fullmatch(name):
            yield SeenCheckpoint(name, tuple(_files(folder)))


def _folders(root: Path, depth: int) -> Iterator[Path]:
    """The folders exactly so many levels below, by name."""
    try:
        children = sorted(child for child in root.iterdir() if child.is_dir())
    except FileNotFoundError:
        return
    for child in children:
        if depth == 1:
            yield child
        else:
            yield from _folders(child, depth - 1)


def _files(folder: Path) -> Iterator[SeenFile]:
    with suppress(FileNotFoundError):
        for file in sorted(folder.iterdir()):
            with suppress(FileNotFoundError):
                if file.is_file():
                    stat = file.stat()
                    changed = max(stat.st_mtime_ns, stat.st_ctime_ns)
                    yield SeenFile(file.name, stat.st_size, stat.st_mtime_ns // 1_000_000, changed // 1_000_000)


def _inside(name: str, folder: Path, checksums: str, cache_dir: str) -> Inside:
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    texts = {file.name: _text(file) for file in files if is_read_whole(file.name, checksums)}
    weights = [file for file in files if is_weights(file.name)]
    headers = {file.name: safetensors_header(file) for file in weights if file.suffix == ".safetensors"}
    promised = {name: header.promised if header else None for name, header in headers.items()}
    promised |= {file.name: _archive_size(file) for file in weights if _is_archive(file)}
    named = summed_files(texts.get(checksums)) if checksums else {}
    return Inside(
        name,
        texts=texts,
        promised=promised,
        tensors={name: list(header.tensors) for name, header in headers.items() if header},
        digests={file.name: file_digest(file, cache_dir) for file in files if file.name in named},
    )


def _text(file: Path) -> str | None:
    with file.open("rb") as stream:
        try:
            return stream.read(_TEXT_LIMIT).decode()
        except UnicodeDecodeError:
            return None


def _is_archive(file: Path) -> bool:
    """Whether torch.save wrote it in its format since 1.6, which is a zip archive."""
    with file.open("rb") as stream:
        return stream.read(4) == ARCHIVE_START


def _archive_size(file: Path) -> int | None:
    """The file's size when the archive's end record is there, else None."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        stream.seek(max(0, size - ARCHIVE_TAIL))
        return size if ARCHIVE_END in stream.read() else None
