"""The jobs of this host and user: one small file each, changed only under a lock."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opencompass_ops.clusters.local_records import Entry
from opencompass_ops.clusters.processes import host
from opencompass_ops.contract import codec
from opencompass_ops.contract.files import LocalFiles

_LIVE = "live"
_ENDED = "ended"


def state_root() -> Path:
    """Where this user's state lies: ``$OPENCOMPASS_OPS_STATE``, else ``~/.local/state/opencompass-ops``."""
    return Path(os.environ.get("OPENCOMPASS_OPS_STATE") or "~/.local/state/opencompass-ops").expanduser().absolute()


def state_folder(configured: str) -> Path:
    """The folder for the jobs of this user.

    One folder per host, because home directories are often shared and processes are not.

    :param configured: the cluster config's ``state_dir``; "" means ``local`` of :func:`state_root`.
    """
    folder = Path(configured).expanduser().absolute() if configured else state_root() / "local"
    return folder / host()


class LocalJobs:
    """An index of job folders by token: ``live/`` is counted, ``ended/`` only looked up.

    :param folder: the state folder; removing it while no job runs forgets ended jobs and nothing else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = LocalFiles(folder)

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Hold the lock of this host and user; blocks. Yields the lock's descriptor for a child to hold on to."""
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            # Said aloud: a process forked meanwhile may hold a copy, and a lock lives as long as its last copy.
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)

    def put(self, entry: Entry) -> None:
        """Count the job from now on."""
        self._files.write(f"{_LIVE}/{entry.token}.json", codec.dumps(entry))
        self._files.path(f"{_ENDED}/{entry.token}.json").unlink(missing_ok=True)

    def retire(self, token: str) -> None:
        """Count the job no longer; it can still be looked up."""
        target = self._files.path(f"{_ENDED}/{token}.json")
        target.parent.mkdir(exist_ok=True)
        self._files.path(f"{_LIVE}/{token}.json").replace(target)

    def get(self, token: str) -> Entry | None:
        """The job, None when this host never had it."""
        # Looked up twice where it lives, because it may be moved between the two looks.
        for folder in (_LIVE, _ENDED, _LIVE):
            try:
                return codec.loads(Entry, self._files.read(f"{folder}/{token}.json"))
            except FileNotFoundError:
                continue
        return None

    def live(self) -> list[Entry]:
        """The jobs that count, by token."""
        names = [name for name in self._files.list(_LIVE) if name.endswith(".json") and not name.startswith(".")]
        found = (self.get(name.removesuffix(".json")) for name in names)
        return [entry for entry in found if entry]
