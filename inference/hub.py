"""Data sets of the Hugging Face hub that are on this machine already; nothing is asked of the network.

Three layouts are read. A folder with Parquet or JSON lines files, as ``hf download --revision
refs/convert/parquet`` makes it (``CONFIGURATION/SPLIT/0000.parquet``) or the repository has it
(``data/SPLIT-00000-of-00001.parquet``); such a folder whose card lists the files of each split; and what
``datasets.load_dataset`` left in its cache
(``~/.cache/huggingface/datasets/NAME/CONFIGURATION/VERSION/HASH/*-SPLIT.arrow``). Loading scripts are never run.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from inference import memory
from inference.loaders import Find, Row, read_csv, read_jsonl, read_text, with_columns_of_all
from inference.problems import InputProblem

_SUFFIXES = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".csv": "csv"}
_FRONT_MATTER = re.compile(r"---\n(.*?)\n---", re.DOTALL)
_SHARD = re.compile(r"-\d{5}-of-\d{5}$")


def read_hub(find: Find, path: str, name: str | None = None) -> dict[str, list[Row]]:
    """Every split of a data set.

    :param path: its name on the hub, or its folder.
    :param name: its configuration; None for the only or default one.
    :raises InputProblem: it is not on this machine, or holds nothing that can be read.
    """
    cached = _cached(path, name or "default")
    if cached:
        return _by_split(cached, lambda file: _SHARD.sub("", file.stem).rsplit("-", 1)[-1])
    root = find(path)
    carded = _carded(root, name)
    if carded:
        return {split: [row for file in files for row in _rows(file)] for split, files in carded.items()}
    folder = root / name if name and (root / name).is_dir() else root
    files = sorted(file for file in folder.rglob("*") if file.suffix in _SUFFIXES and not file.name.startswith("."))
    files = [file for file in files if file.suffix == ".parquet"] or files
    if not files:
        raise InputProblem(f"{folder} holds no *.parquet, *.jsonl, *.json or *.csv file; put SPLIT.parquet there")
    return _by_split(files, _split_of)


def read_table(file: Path, kind: str) -> list[Row]:
    """The rows of a file.

    :param kind: ``json`` (lines, or one list of objects), ``csv`` or ``parquet``.
    :raises InputProblem: it cannot be read.
    """
    if kind == "parquet":
        return _arrow_rows(file, lambda pyarrow, source: pyarrow.parquet.read_table(source))
    if kind == "csv":
        return read_csv(file)
    if read_text(file).lstrip().startswith("["):
        return with_columns_of_all(json.loads(read_text(file)))
    return with_columns_of_all(read_jsonl(file))


def _cached(path: str, name: str) -> list[Path]:
    """The Arrow files of the newest build of a data set in the library's cache, the newest by its folder's time."""
    home = os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface"
    cache = Path(os.environ.get("HF_DATASETS_CACHE") or Path(home) / "datasets")
    builds = [found.parent for found in cache.glob(f"{path.replace('/', '___')}/{name}/*/*/dataset_info.json")]
    newest = max(builds, key=lambda build: build.stat().st_mtime, default=None)
    # cache-*.arrow are what programs made of the data later.
    return sorted(file for file in newest.glob("*.arrow") if not file.name.startswith("cache-")) if newest else []


def _carded(root: Path, name: str | None) -> dict[str, list[Path]]:
    """The files of a configuration by split, as the repository's card lists them; empty where it lists none."""
    card = root / "README.md"
    head = _FRONT_MATTER.match(read_text(card)) if card.is_file() else None
    if not head or "data_files" not in head.group(1):
        return {}
    configurations = _front_matter(head.group(1), card).get("configs") or []
    wanted = [each for each in configurations if each.get("config_name", "default") == (name or "default")]
    chosen = wanted or ([] if name else configurations)
    listed = chosen[0].get("data_files") if len(chosen) == 1 else None
    splits = listed if isinstance(listed, list) and all(isinstance(each, dict) for each in listed) else []
    found = {str(each["split"]): _matching(root, each["path"]) for each in splits}
    return {split: files for split, files in found.items() if files}


def _front_matter(text: str, card: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise InputProblem(f"{card} needs PyYAML, which {sys.executable} lacks; install it there") from error
    try:
        return dict(yaml.safe_load(text))
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise InputProblem(f"{card} does not begin with YAML ({error}); get it anew, or remove it") from error


def _matching(root: Path, patterns: str | list[str]) -> list[Path]:
    """Files of the repository, never of what is around it."""
    inside = [each for each in ([patterns] if isinstance(patterns, str) else patterns) if ".." not in Path(each).parts]
    return [file for each in inside for file in sorted(root.glob(each.lstrip("/"))) if file.suffix in _SUFFIXES]


def _by_split(files: Iterable[Path], split_of: Any) -> dict[str, list[Row]]:
    splits: dict[str, list[Row]] = {}
    for file in files:
        splits.setdefault(split_of(file), []).extend(_rows(file))
    return splits


def _rows(file: Path) -> list[Row]:
    return _arrow_stream(file) if file.suffix == ".arrow" else read_table(file, _SUFFIXES[file.suffix])


def _split_of(file: Path) -> str:
    """``test`` of ``test.parquet``, ``test-00000-of-00001.parquet`` and ``test/0000.parquet``."""
    stem = _SHARD.sub("", file.stem)
    return file.parent.name if stem.isdigit() else stem


def _arrow_stream(file: Path) -> list[Row]:
    return _arrow_rows(file, lambda pyarrow, source: pyarrow.ipc.open_stream(source).read_all())


def _arrow_rows(file: Path, read: Any) -> list[Row]:
    try:
        import pyarrow
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise InputProblem(
            f"{file} needs pyarrow, which {sys.executable} lacks; install it there, or convert the file to JSON lines"
        ) from error
    memory.note(file)  # pyarrow opens it without Python's knowledge
    try:
        rows: list[Row] = read(pyarrow, str(file)).to_pylist()
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputProblem(f"{file} cannot be read ({error}); get it anew") from error
    return rows
