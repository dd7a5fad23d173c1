"""Folders of this host into which checkpoints are downloaded, each whole or not there."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from opencompass_ops.contract import codec

_OURS = re.compile(r"[0-9a-f]{16}(\.[0-9a-f]{32})?")
_GONE = ".gone"
_ASIDE = re.compile(r"[0-9a-f]{32}\.gone")


class Stage:
    """Below a folder that holds nothing else.

    :param root: of one series.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def bring(self, digest: str, name: str, download: Callable[[Path], None]) -> Path:
        """The folder of these weights, downloaded aside and renamed when it is whole.

        :param name: the checkpoint's name; the folder's last part, which people see in messages.
        :param download: fills the folder that it is given; what it raises leaves nothing behind.
        """
        target = self._root / _key(digest)
        inner = name.replace("/", "-")
        if not target.is_dir():
            aside = self._root / f"{target.name}.{uuid.uuid4().hex}"
            (aside / inner).mkdir(parents=True)
            try:
                download(aside / inner)
                aside.rename(target)
            except FileExistsError:
                shutil.rmtree(aside)  # somebody else was faster
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                if not target.is_dir():
                    raise
        return next(child for child in target.iterdir() if child.is_dir())

    def tidy(self, wanted: Collection[str]) -> None:
        """Set aside all but the weights that are wanted; only folders that were made here. Nothing is deleted yet."""
        kept = {_key(digest) for digest in wanted}
        for folder in list(self._root.iterdir()) if self._root.is_dir() else ():
            if _OURS.fullmatch(folder.name) and folder.name.partition(".")[0] not in kept:
                with suppress(FileNotFoundError):  # somebody else was faster
                    folder.rename(self._root / f"{uuid.uuid4().hex}{_GONE}")

    def sweep(self) -> None:
        """Delete what was set aside, by whomever."""
        for folder in list(self._root.glob(f"*{_GONE}")):
            if _ASIDE.fullmatch(folder.name):
                shutil.rmtree(folder, ignore_errors=True)


def _key(digest: str) -> str:
    return codec.digest(digest)[:16]
