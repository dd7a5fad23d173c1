"""A run's storage behind one protocol: the control side's folder, later a mirror or a bucket."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Protocol


class Files(Protocol):
    """Read, write, ask and list by path relative to the run directory."""

    def read(self, path: str) -> bytes:
        """The file's bytes; raises FileNotFoundError."""
        ...

    def write(self, path: str, content: bytes | str) -> None:
        """Replace the file as a whole: readers see the old or the new one, never a part."""
        ...

    def exists(self, path: str) -> bool:
        """Whether the file or folder is there."""
        ...

    def list(self, folder: str) -> list[str]:
        """Sorted names in a folder; empty when it does not exist."""
        ...


class LocalFiles:
    """A folder on this machine.

    :param root: the run directory.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def path(self, path: str) -> Path:
        """The absolute path; raises ValueError when it would leave the root."""
        full = Path(os.path.normpath(self.root / path))
        if not full.is_relative_to(os.path.normpath(self.root)):
            raise ValueError(f"{path!r} leaves the run directory {self.root}; use a path below it")
        return full

    def read(self, path: str) -> bytes:
        """The file's bytes; raises FileNotFoundError."""
        return self.path(path).read_bytes()

    def write(self, path: str, content: bytes | str) -> None:
        """Write aside, flush to disk, then rename: a crash leaves the old file or the new one."""
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        body = content.encode() if isinstance(content, str) else content
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with aside.open("xb") as stream:
                stream.write(body)
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def append(self, path: str, line: str) -> None:
        """Add one line; a single O_APPEND write, so that concurrent writers do not mix."""
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab", buffering=0) as stream:
            stream.write((line.rstrip("\n") + "\n").encode())

    def exists(self, path: str) -> bool:
        """Whether the file or folder is there."""
        return self.path(path).exists()

    def list(self, folder: str) -> list[str]:
        """Sorted names in a folder; empty when it does not exist."""
        try:
            return sorted(entry.name for entry in self.path(folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
