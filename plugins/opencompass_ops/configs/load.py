"""Read OpenCompass configs without OpenCompass: in subprocesses, each file under its own limits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opencompass_ops.configs.bases import opencompass_configs
from opencompass_ops.configs.library import config_folders
from opencompass_ops.configs.masking import is_secret_key
from opencompass_ops.configs.options import apply_options, parse_options
from opencompass_ops.errors import ConfigError

_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from opencompass_ops.configs.sandbox import main; main()"
_PACKAGE_ROOT = Path(__file__).resolve().parents[2]
_START_S = 60.0
_SETTINGS = {"PYTHONHASHSEED": "0"}
"""A config that lists a set says the same whenever it is read."""

_MOST_READERS = 4
_WORTH_A_READER = 40
"""Files: to start a reader costs as much as to read so many."""

_PASSED = frozenset({"PATH", "LANG", "COMPASS_DATA_CACHE", "DATASET_SOURCE", "TOKENIZER_MODEL"})


@dataclass(frozen=True)
class LoadedConfig:
    """What one config file says, and what it read to say so.

    :param values: plain JSON values; classes are dotted names.
    :param files: absolute path to sha256 of every config, base and data file that was read.
    :param environment: name to sha256 of the value of every variable that was asked for; None when it was not set.
    :param error: "", or one message with file, line and next step; then ``values`` is empty.
    :param warnings: what people should know about where the values come from.
    """

    path: Path
    values: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str | None] = field(default_factory=dict)
    error: str = ""
    warnings: tuple[str, ...] = ()


def load(
    paths: Sequence[Path],
    *,
    cfg_options: Mapping[str, Any] | Sequence[str] = (),
    config_dirs: Sequence[Path] = (),
    data_dir: Path | None = None,
    timeout_s: float = 30,
    memory_mb: int = 1024,
) -> list[LoadedConfig]:
    """Read configs; a broken one carries its error and spoils no other.

    :param paths: the config files.
    :param cfg_options: ``--cfg-options`` as ``key=value`` texts, or parsed; applied to every file.
    :param config_dirs: folders that configs may read and that stand for ``opencompass.configs``, before those of
        :func:`opencompass_ops.configs.library.config_folders`.
    :param data_dir: the folder relative data paths are resolved against; readable for configs.
    :param timeout_s: seconds per file.
    :param memory_mb: memory per file, in addition to the reader's own.
    :raises ConfigError: the options are malformed, or no reader could be started.
    """
    options = dict(cfg_options) if isinstance(cfg_options, Mapping) else parse_options(cfg_options)
    problems = {path: _path_problem(path) for path in paths}
    asked = [path for path in dict.fromkeys(paths) if not problems[path]]
    request = {
        "config_dirs": [str(folder) for folder in config_folders(config_dirs)],
        "library": str(opencompass_configs() or ""),
        "data_dir": str(data_dir.resolve()) if data_dir else "",
        "timeout_s": timeout_s,
        "memory_mb": memory_mb,
    }
    answers = _ask_readers(request, asked) if asked else {}
    return [_loaded(path, answers.get(path, {"error": problems[path]}), options) for path in paths]


def _path_problem(path: Path) -> str:
    if path.suffix != ".py":
        return f"{path}: not a Python config; name a file that ends in .py"
    return "" if path.is_file() else f"{path}: no such file; check the name or the config folder"


def _loaded(path: Path, answer: dict[str, Any], options: dict[str, Any]) -> LoadedConfig:
    read = {
        "files": answer.get("files", {}),
        "environment": answer.get("environment", {}),
        "warnings": tuple(_overlays(answer.get("overlaid", ()))),
    }
    if answer["error"]:
        return LoadedConfig(path, error=answer["error"], **read)
    try:
        return LoadedConfig(path, apply_options(answer["values"], options), **read)
    except ConfigError as error:
        return LoadedConfig(path, error=f"{path}: {error}", **read)


def _overlays(overlaid: Iterable[tuple[str, str]]) -> Iterator[str]:
    """A warning for each base that stands in place of another one; compared here, so that the other is not read."""
    for taken, other in dict.fromkeys(map(tuple, overlaid)):
        if Path(taken).read_bytes() != Path(other).read_bytes():
            yield (
                f"the base {taken} stands in place of OpenCompass's {other}, which is not the same; import it by a "
                "relative path under another name if OpenCompass's is meant for one of them"
            )


def _ask_readers(request: dict[str, Any], paths: list[Path]) -> dict[Path, dict[str, Any]]:
    """Every file's answer; many files are shared among several readers."""
    count = max(1, min(len(paths) // _WORTH_A_READER, os.cpu_count() or 1, _MOST_READERS))
    shares = [paths[start::count] for start in range(count)]
    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(lambda share: _ask(request, share), shares))
    return {
        path: answer
        for share, said in zip(shares, answers, strict=True)
        for path, answer in zip(share, said, strict=True)
    }


def _ask(request: dict[str, Any], paths: list[Path]) -> list[dict[str, Any]]:
    """One answer per file, in order; files that the reader no longer reached say so."""
    # A link's own folder is its config folder, so links are not followed.
    request = request | {"paths": [os.path.abspath(path) for path in paths]}  # noqa: PTH100
    count, seconds = len(paths), _START_S + len(paths) * (request["timeout_s"] + 5)
    command = [sys.executable, "-P", "-s", "-B", "-c", _BOOT, str(_PACKAGE_ROOT)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=_environment(),
        start_new_session=True,
        text=True,
    )
    try:
        output, complaint = process.communicate(json.dumps(request), timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            "the config reader gave no answer in time; the machine may be overloaded, try again"
        ) from error
    finally:
        _end(process)
    answers = [json.loads(line) for line in output.splitlines() if line.endswith("}")]
    if not answers:
        raise ConfigError(f"the config reader did not start: {_last_line(complaint)}; is mmengine-lite installed?")
    lost = {"error": f"the config reader ended early ({_last_line(complaint)}); try this file alone"}
    return answers + [lost] * (count - len(answers))


def _end(process: subprocess.Popen[str]) -> None:
    """Leave no child of the reader behind."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _environment() -> dict[str, str]:
    """What a config may see: nothing secret, nothing of this plugin's own settings or Python's."""
    passed = {name: value for name, value in os.environ.items() if name in _PASSED or _is_for_configs(name)}
    return passed | _SETTINGS


def _is_for_configs(name: str) -> bool:
    own = name.startswith("OPENCOMPASS_OPS_")
    return name.startswith("OPENCOMPASS_") and not own and not is_secret_key(name)


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1]
