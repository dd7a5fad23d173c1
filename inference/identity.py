"""What weights and tokenizers are, told by content; the plan and the job compute the same."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from inference.problems import InputProblem
from opencompass_ops.contract import codec
from opencompass_ops.contract.checkpoints import (
    HEADER_LIMIT,
    MODEL_FILES,
    WEIGHT_SUFFIXES,
    Header,
    header_length,
    is_tokenizer,
    is_weights,
    parse_header,
)
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import OPENCOMPASS, ShardSpec

FULL_LIMIT = 4 << 30
"""Bytes up to which all weights are read; above, the quick identity must do."""

_BLOCK = 1 << 20
_SAMPLES, _SAMPLE_BYTES = 16, 1 << 16

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def located(model_cfg: dict[str, Any], data_dir: str) -> dict[str, Any]:
    """The model config with its paths where they lie; relative folders start at the data folder.

    Jobs start in the run directory, the probe elsewhere, and both must mean the same folder. Hub ids stay as they are;
    ``~`` is the home of whoever runs the jobs.

    :param data_dir: the folder that relative dataset paths start at, too.
    """
    return model_cfg | {key: _folder(path, data_dir) for key, path in _paths(model_cfg).items()}


def located_if_there(model_cfg: dict[str, Any], data_dir: str) -> dict[str, Any]:
    """The same for a model that OpenCompass runs: its ``path`` may be the name of a service's model, which stays."""
    paths = {key: Path(data_dir, os.path.expanduser(path)) for key, path in _paths(model_cfg).items()}  # noqa: PTH111
    return model_cfg | {key: str(path) for key, path in paths.items() if path.exists()}


def _paths(model_cfg: dict[str, Any]) -> dict[str, str]:
    keys = ("path", "tokenizer_path", "peft_path")
    return {key: model_cfg[key] for key in keys if isinstance(model_cfg.get(key), str) and model_cfg[key]}


def bridged_identity(model_cfg: dict[str, Any], cache_dir: str = "") -> tuple[str, str]:
    """Which weights and which tokenizer a model that OpenCompass runs has.

    :param model_cfg: its folders absolute, see :func:`located_if_there`.
    :returns: identities of what lies in folders (of weights and adapter both where it has both), ``named:`` and what
        the config says of a model that is a service's.
    :raises InputProblem: a path is marked as one and is not there.
    """
    folders = {key: _there(key, path) for key, path in _paths(model_cfg).items()}
    said = "named:" + codec.digest([model_cfg.get(key) for key in ("type", "path", "openai_api_base", "url")])
    weights = [
        weights_identity(folder, cache_dir)
        for folder in (folders.get("path"), folders.get("peft_path"))
        if folder and weight_files(folder)
    ]
    tokens = folders.get("tokenizer_path") or folders.get("path")
    has_tokenizer = tokens is not None and any(map(_is_tokenizer, tokens.iterdir()))
    return (
        "+".join(weights) or said,
        tokenizer_identity(tokens) if tokens is not None and has_tokenizer else said,
    )


def refuse_changed_weights(spec: ShardSpec) -> None:
    """Answer nothing with other weights than those that were planned.

    :param spec: its model's folders absolute.
    :raises InputProblem: the checkpoint is another one, or gone.
    """
    if not spec.weights_id:
        return
    found = bridged_identity(spec.model)[0] if spec.engine == OPENCOMPASS else weights_identity(spec.model["path"])
    if found != spec.weights_id:
        raise InputProblem(
            f"model {spec.model_abbr}: the checkpoint at {spec.model.get('path')} changed since the plan "
            f"(weights {found[:19]}, planned {spec.weights_id[:19]}); plan again to evaluate the new one"
        )


def _there(key: str, path: str) -> Path | None:
    folder = Path(path) if Path(path).is_dir() else _snapshot(path)
    if folder is None and path.startswith((".", "/", "~")):
        raise InputProblem(f"{key} {path} does not exist; check the path")
    return folder


def _folder(path: str, data_dir: str) -> str:
    # os.path's, because pathlib's raises for a user that does not exist.
    folder = Path(data_dir, os.path.expanduser(path))  # noqa: PTH111
    # What is neither there nor marked as a path may be the id of a downloaded model.
    is_hub_id = _HUB_ID.fullmatch(path) and not path.startswith(".") and not folder.is_dir()
    return path if is_hub_id else str(folder)


def local_model(path: Any, what: str = "model") -> Path:
    """The folder of a model ``path``: itself, or the snapshot of a hub id that was downloaded before.

    :param what: what is looked for, for the message.
    :raises InputProblem: nothing is there.
    """
    if not isinstance(path, str) or not path:
        raise InputProblem(f"{what} path {path!r} is no path; name the checkpoint's folder")
    if Path(path).is_dir():
        return Path(path)
    if not _HUB_ID.fullmatch(path) or Path(path).exists():
        raise InputProblem(f"{what} folder {path} does not exist; check the path")
    snapshot = _snapshot(path)
    if snapshot is None:
        raise InputProblem(
            f"{path} is neither a folder nor a model downloaded before; run 'hf download {path}' where jobs run, "
            "or give a folder"
        )
    return snapshot


def _snapshot(hub_id: str) -> Path | None:
    """A downloaded model, as huggingface_hub lays out its cache."""
    home = os.environ.get("HF_HOME", str(Path.home() / ".cache" / "huggingface"))
    cache = Path(os.environ.get("HF_HUB_CACHE", str(Path(home) / "hub")))
    folder = cache / ("models--" + hub_id.replace("/", "--"))
    try:
        snapshot = folder / "snapshots" / (folder / "refs" / "main").read_text().strip()
    except OSError:
        return None
    return snapshot if snapshot.is_dir() else None


def weight_files(folder: Path) -> list[Path]:
    """The files that hold weights, sorted by name; optimizer and trainer states are none."""
    return sorted(file for file in folder.iterdir() if is_weights(file.name) and file.is_file())


def weights_identity(path: str | os.PathLike[str], cache_dir: str = "") -> str:
    """Which weights a checkpoint holds.

    :param path: model folder or downloaded hub id.
    :param cache_dir: where digests of files are remembered, "" for nowhere.
    :return: ``sha256:`` over names and digests of all weight files and the model's configs; ``quick:``
        over sizes, headers, samples and mtimes (milliseconds) when the weights exceed
        :data:`FULL_LIMIT`.
    :raises InputProblem: there is no such model, or it has no weights.
    """
    folder = local_model(os.fspath(path))
    weights = weight_files(folder)
    if not weights:
        raise InputProblem(f"{folder} holds no weights (*{', *'.join(WEIGHT_SUFFIXES)})")
    configs = [[name, _sha256(folder / name)] for name in MODEL_FILES if (folder / name).is_file()]
    if sum(file.stat().st_size for file in weights) > FULL_LIMIT:
        return "quick:" + codec.digest([configs, [[file.name, *_quick(file)] for file in weights]])
    return "sha256:" + codec.digest([configs, [[file.name, file_digest(file, cache_dir)] for file in weights]])


def weights_size(folder: Path) -> int:
    """Bytes of all weight files of a model folder."""
    return sum(file.stat().st_size for file in weight_files(folder))


def tokenizer_identity(path: str | os.PathLike[str]) -> str:
    """Which tokenizer (and chat template) a folder holds: ``sha256:`` over its files.

    :raises InputProblem: there is no such folder, or no tokenizer in it.
    """
    folder = local_model(os.fspath(path), "tokenizer")
    files = sorted(file for file in folder.iterdir() if _is_tokenizer(file))
    if not files:
        raise InputProblem(f"{folder} holds no tokenizer; set tokenizer_path to a folder that does")
    return "sha256:" + codec.digest([[file.name, _sha256(file)] for file in files])


def _is_tokenizer(file: Path) -> bool:
    return is_tokenizer(file.name) and file.is_file()


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _stamp(file: Path) -> list[Any]:
    """What changes when a file does; ctime catches an edit whose mtime was put back."""
    stat = file.stat()
    return [str(file.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]


def file_digest(file: Path, cache_dir: str) -> str:
    """The file's sha256 (hex), read again only when the file changed; a damaged memory is no memory.

    :param cache_dir: where digests are remembered, "" for nowhere.
    """
    if not cache_dir:
        return _sha256(file)
    stamp = _stamp(file)
    memory, name = LocalFiles(cache_dir), f"sha256/{codec.digest(stamp)}"
    try:
        known = memory.read(name).decode("ascii")
    except (OSError, UnicodeDecodeError):
        known = ""
    if re.fullmatch("[0-9a-f]{64}", known):
        return known
    digest = _sha256(file)
    if _stamp(file) == stamp:
        memory.write(name, digest)
    return digest


def _quick(file: Path) -> list[Any]:
    stat = file.stat()
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        digest.update(stream.read(min(header_length(stream.read(8)), HEADER_LIMIT)))
        for number in range(_SAMPLES):
            stream.seek(max(0, stat.st_size - _SAMPLE_BYTES) * number // (_SAMPLES - 1))
            digest.update(stream.read(_SAMPLE_BYTES))
    return [stat.st_size, stat.st_mtime_ns // 1_000_000, digest.hexdigest()]


def model_problem(folder: Path) -> str:
    """Why a checkpoint cannot be loaded (yet); "" when nothing speaks against it."""
    config = folder / "config.json"
    if not config.is_file():
        return f"{config} is missing; the checkpoint is incomplete or no Hugging Face model"
    if _json(config) is None:
        return f"{config} is no JSON object; the checkpoint is damaged or still being written"
    weights = weight_files(folder)
    if not weights:
        return f"{folder} holds no weights (*{', *'.join(WEIGHT_SUFFIXES)}); is it still being written?"
    problems: Iterable[str] = (*map(_index_problem, sorted(folder.glob("*.index.json"))), *map(_file_problem, weights))
    return next((problem for problem in problems if problem), "")


def _index_problem(index: Path) -> str:
    table = (_json(index) or {}).get("weight_map")
    if not isinstance(table, dict):
        return f"{index} has no weight_map; the checkpoint is damaged or still being written"
    missing = sorted({str(name) for name in table.values() if not (index.parent / str(name)).is_file()})
    return f"{index} names {missing[0]}, which is missing; the checkpoint is incomplete" if missing else ""


def _file_problem(file: Path) -> str:
    size = file.stat().st_size
    if size == 0:
        return f"{file} is empty; the checkpoint is incomplete"
    if file.suffix != ".safetensors":
        return ""
    header = safetensors_header(file)
    if header is None:
        return f"{file} is no safetensors file; the checkpoint is damaged or still being written"
    wanted = header.promised
    return f"{file} has {size} bytes, but its header promises {wanted}; it is truncated" if wanted != size else ""


def safetensors_header(file: Path) -> Header | None:
    """What a safetensors file says of itself; None when it cannot be read."""
    with file.open("rb") as stream:
        length = header_length(stream.read(8))
        text = stream.read(length) if length <= HEADER_LIMIT else b""
    return parse_header(text) if len(text) == length else None


def _json(file: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
