"""The folder in which OpenCompass works for one shard; the same for every attempt, so that what is done counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import ShardSpec

_LONGEST = 512
_KEPT = frozenset({"predictions", "results", "tmp", "icl_inference_output"})
"""Names that OpenCompass or we use here ourselves."""


def open_workplace(files: LocalFiles, spec: ShardSpec, parameters: str) -> Path:
    """Make the folder with the parameter file; returns the file's path.

    OpenCompass resolves some relative paths by ``COMPASS_DATA_CACHE`` and others by its working directory, so whatever
    of the data folder the config names is linked here.
    """
    path = files.target(layout.workplace(spec.id, "parameters.py"))
    files.write(layout.workplace(spec.id, "parameters.py"), parameters)
    for name in {_head(text) for text in _texts([spec.model, [part.dataset for part in spec.parts]])}:
        target, link = Path(spec.data_dir).absolute() / name, path.parent / name
        if name and name not in _KEPT and target.exists() and not link.is_symlink():
            link.symlink_to(target)
    return path


def _head(text: str) -> str:
    """The first component of a relative path; "" of anything else. ``data`` is the place of OpenCompass's own ids."""
    if not text or len(text) > _LONGEST or text.startswith(("/", "~", "..")) or "\n" in text:
        return ""
    parts = Path(text).parts
    return parts[0] if parts and parts[0] != "opencompass" else "data"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
