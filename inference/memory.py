"""What was found out of files, remembered as long as they stay as they are.

The files are those that were opened while it was found out, and those that somebody names with :func:`note`. Who needs
an answer again then reads their sizes and times instead of their content.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from opencompass_ops.contract import codec
from opencompass_ops.contract.files import LocalFiles

Stamps = Mapping[str, list[int]]
"""By path, what of a file changes when its content does."""

_CODE = (".py", ".pyc", ".so", ".lock", ".log")
_LOOKED_AT = ("open", "os.listdir", "os.scandir")
_noting: list[dict[str, list[int]]] = []


def note(path: str | os.PathLike[str]) -> None:
    """Say that an answer depends on a file that is not opened by Python, or on its absence."""
    full = os.path.abspath(path)  # noqa: PTH100  # called by a hook, which must be quick
    for seen in _noting:
        if full not in seen:  # as it is now: it may change while it is read
            seen[full] = stamp(full)


@contextlib.contextmanager
def noted_files() -> Iterator[dict[str, list[int]]]:
    """The files and folders that are looked at inside, with their stamps; libraries and code do not count."""
    seen: dict[str, list[int]] = {}
    _install()
    _noting.append(seen)
    try:
        yield seen
    finally:
        _noting.remove(seen)


def stamp(path: str) -> list[int]:
    """Size and time of change; empty when nothing is there."""
    try:
        found = Path(path).stat()
    except OSError:
        return []
    return [found.st_size, found.st_mtime_ns]


def recall(cache_dir: str, key: Any) -> Any:
    """What was kept under the key; None where nothing was, or a file has changed since.

    :param cache_dir: of all that is remembered, "" for nowhere.
    """
    if not cache_dir:
        return None
    try:
        known = json.loads(LocalFiles(cache_dir).read(_name(key)))
        stands = any(known["files"].values()) and all(stamp(path) == mark for path, mark in known["files"].items())
        return known["value"] if stands else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # a damaged memory is no memory


def keep(cache_dir: str, key: Any, value: Any, files: Stamps) -> None:
    """Remember a JSON value as long as the files stay as they are; nothing where there is no cache."""
    if cache_dir:
        LocalFiles(cache_dir).write(_name(key), json.dumps({"value": value, "files": dict(files)}))


def _name(key: Any) -> str:
    return f"rows/{codec.digest(key)}.json"


_installed: list[bool] = []


def _install() -> None:
    """A hook stays for the life of the process; it does nothing while nobody notes."""
    if _installed:
        return
    _installed.append(True)
    libraries = tuple({sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev"})

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        if not _noting or event not in _LOOKED_AT or not isinstance(arguments[0], (str, os.PathLike)):
            return
        path = os.path.abspath(arguments[0])  # noqa: PTH100
        is_read = event != "open" or "r" in str(arguments[1] or "r")
        if is_read and not path.startswith(libraries) and not path.endswith(_CODE):
            note(path)

    sys.addaudithook(look)
