"""A secret that reaches its job and shows nowhere else: looking for it in every argv and in every file."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

PROVE = (
    "import hashlib, os, pathlib; pathlib.Path({path!r}).write_text(hashlib.sha256(os.environb[{name!r}]).hexdigest())"
)
"""Python that says it has the secret without saying the secret."""


class Canary:
    """A secret that nobody else has; a context in which the argv of every process of this host is watched."""

    def __init__(self) -> None:
        self.secret = f"canary-{uuid.uuid4().hex}"
        self.argvs: set[bytes] = set()
        self.processes: set[int] = set()
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    @property
    def digest(self) -> str:
        """What a job that has the secret can say."""
        return hashlib.sha256(self.secret.encode()).hexdigest()

    def __enter__(self) -> Canary:
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._watch.join()

    def shown_in(self, folders: Iterable[Path]) -> list[str]:
        """The files that hold it."""
        files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
        return [str(path) for path in files if self.secret.encode() in path.read_bytes()]

    def _look(self) -> None:
        while not self._over.wait(0.01):
            for entry in Path("/proc").iterdir():
                if entry.name.isdecimal():
                    self._look_at(entry)

    def _look_at(self, entry: Path) -> None:
        try:
            argv = (entry / "cmdline").read_bytes()
        except OSError:
            return
        self.processes.add(int(entry.name))
        if self.secret.encode() in argv:
            self.argvs.add(argv)
