"""Datasets that OpenCompass has the ``datasets`` library read: files, and those of the hub."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inference.hub import read_hub, read_table
from inference.loaders import LOADERS, Find, Row, Splits
from inference.problems import InputProblem

_BUILDERS = ("json", "csv", "parquet")


@LOADERS.add("HFDataset")
def load(find: Find, path: str, **options: Any) -> Splits:
    """What ``load_dataset`` would give: files of one's own for the path ``json``, ``csv`` or ``parquet``, else a
    data set of the hub that is on this machine (:mod:`inference.hub`).
    """
    return read_files(find, path, **options)


def read_files(
    find: Find,
    path: str,
    data_files: str | list[str] | dict[str, str] | None = None,
    name: str | None = None,
    split: str | None = None,
    trust_remote_code: bool = False,
) -> Splits:
    """See :func:`load`.

    :param data_files: the file or files of the builder ``path``, or one by split.
    :param name: the data set's configuration on the hub.
    :param split: the only one wanted, which then serves as both.
    :param trust_remote_code: ignored; nothing of the hub is executed.
    :raises InputProblem: there is no such file, data set or split.
    """
    if path in _BUILDERS:
        if not data_files:
            raise InputProblem(f"path {path!r} reads files, but data_files names none; name them")
        by_split = data_files if isinstance(data_files, dict) else {"train": data_files}
        splits = {key: _read(find, path, files) for key, files in by_split.items()}
    else:
        splits = read_hub(find, path, name)
    if split is None:
        return splits
    if split not in splits:
        raise InputProblem(f"split {split!r} is wanted; there are {', '.join(sorted(splits))}")
    return splits[split]


def read_changed(find: Find, path: str, options: dict[str, Any], change: Callable[[Row], Row]) -> Splits:
    """What :func:`read_files` gives with these options, every row changed."""
    splits = read_files(find, path, **options)
    if isinstance(splits, dict):
        return {split: [change(row) for row in rows] for split, rows in splits.items()}
    return [change(row) for row in splits]


def _read(find: Find, builder: str, files: str | list[str]) -> list[dict[str, Any]]:
    names = [files] if isinstance(files, str) else files
    return [row for file in names for row in read_table(find(file), builder)]
