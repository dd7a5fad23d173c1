"""A run's storage behind one protocol: the control side's folder, later a mirror or a bucket."""

from __future__ import annotations

import os
import stat
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

    A root with the set-group-id bit is shared by a group: whatever is made below it gets the root's permissions,
    whatever the umask of this process, which serves other runs too.

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

    def target(self, path: str) -> Path:
        """The absolute path of a file that is to be written; its folder is there afterwards."""
        full = self.path(path)
        _make_folder(full.parent, self._shared())
        return full

    def read(self, path: str) -> bytes:
        """The file's bytes; raises FileNotFoundError."""
        return self.path(path).read_bytes()

    def write(self, path: str, content: bytes | str) -> None:
        """Write aside, flush to disk, then rename: a crash leaves the old file or the new one."""
        target = self.target(path)
        body = content.encode() if isinstance(content, str) else content
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            with aside.open("xb") as stream:
                self._share(stream.fileno())
                stream.write(body)
                stream.flush()
                os.fsync(stream.fileno())
            aside.replace(target)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def append(self, path: str, line: str) -> None:
        """Add one line; a single O_APPEND write, so that concurrent writers do not mix."""
        with self.target(path).open("ab", buffering=0) as stream:
            if stream.tell() == 0:
                self._share(stream.fileno())
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

    def _shared(self) -> int:
        """The permissions of what is made here; 0 where nothing is shared and the process's umask decides."""
        try:
            mode = stat.S_IMODE(self.root.stat().st_mode)
        except FileNotFoundError:
            return 0
        return mode if mode & stat.S_ISGID else 0

    def _share(self, descriptor: int) -> None:
        mode = self._shared()
        # Only the owner may; whoever else appends first to an empty file has the permission already.
        if mode and os.fstat(descriptor).st_uid == os.geteuid():
            os.fchmod(descriptor, mode & 0o666)


def _make_folder(folder: Path, mode: int) -> None:
    """Make a folder and those above it; ``mode`` 0 leaves permissions to the umask."""
    if folder.is_dir():
        return
    _make_folder(folder.parent, mode)
    folder.mkdir(exist_ok=True)
    if mode and folder.stat().st_uid == os.geteuid():
        folder.chmod(mode)
