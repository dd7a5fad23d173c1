"""An evaluation put together of parts that are named: ``--models``, ``--datasets`` and ``--summarizer``.

The rules are OpenCompass's (0.5.4, ``opencompass/utils/run.py``). Of a dataset config every top-level key counts that
ends with ``_datasets``, or with what is said after a slash (``mmlu_gen/mmlu_datasets``); of a model config ``models``;
of a summarizer config ``summarizer``, or what is said after a slash.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opencompass_ops.configs.library import find_config, overlaid
from opencompass_ops.configs.load import LoadedConfig, load
from opencompass_ops.configs.options import apply_options, parse_options
from opencompass_ops.errors import ConfigError

Entry = Mapping[str, Any]

_DATASETS = "_datasets"
_USUAL_SUMMARIZER = "example"
"""What OpenCompass takes when none is named; it is done without where there is none."""

_PATH = re.compile(r"^(?P<path>.+\.py)(?:/(?P<key>[^/]+))?$", re.IGNORECASE)


@dataclass(frozen=True)
class Parts:
    """What an evaluation is put together of.

    :param models: names or paths of model configs, as :func:`opencompass_ops.configs.library.find_config` takes them.
    :param datasets: the same of dataset configs, each if wanted with ``/SUFFIX`` of the keys that count.
    :param summarizer: name or path of a summarizer config, if wanted with ``/KEY``; None for OpenCompass's usual one.
    :param more_models: model entries that no config describes (``--hf-path`` and its companions).
    :param more_datasets: dataset entries that no config describes (``--custom-dataset-path``).
    :param dataset_num_runs: how often every dataset is asked: sets ``n`` and ``k`` of each; 1 leaves them alone.
    """

    models: Sequence[str] = ()
    datasets: Sequence[str] = ()
    summarizer: str | None = None
    more_models: Sequence[Entry] = ()
    more_datasets: Sequence[Entry] = ()
    dataset_num_runs: int = 1

    def __str__(self) -> str:
        """``models a, b on datasets c``: what stands where a config's path would."""
        models = [*self.models, *(str(entry.get("abbr")) for entry in self.more_models)]
        datasets = [*self.datasets, *(str(entry.get("abbr", entry.get("path"))) for entry in self.more_datasets)]
        return f"models {_few(models)} on datasets {_few(datasets)}"


def load_parts(
    parts: Parts,
    *,
    cfg_options: Mapping[str, Any] | Sequence[str] = (),
    config_dirs: Sequence[Path] = (),
    data_dir: Path | None = None,
) -> LoadedConfig:
    """The config with ``models``, ``datasets`` and ``summarizer`` that the parts make, read in one subprocess.

    Call it where a config file would be loaded, and go on alike::

        loaded = load_parts(Parts(models=["hf_llama3_8b"], datasets=["siqa_gen", "mmlu_gen/mmlu_datasets"]))
        config = resolve(loaded)

    :param cfg_options: ``--cfg-options``, applied to the whole (``models.0.batch_size=8``).
    :param config_dirs: folders to look in first (``--config-dir``).
    :param data_dir: as :func:`opencompass_ops.configs.load.load` takes it.
    :returns: the config; its ``path`` is no file but the words of :meth:`Parts.__str__`, its ``warnings`` say which
        file stands in place of another. A part that cannot be read gives ``error``, as ``load`` does.
    :raises ConfigError: a name is missing, unknown or ambiguous, or a file has none of the keys.
    """
    _check_named(parts)
    summarizer = parts.summarizer or _usual_summarizer(config_dirs)
    wanted = [
        *(_find(name, "models", "models", config_dirs) for name in parts.models),
        *(_find(name, "datasets", _DATASETS, config_dirs) for name in parts.datasets),
        *([_find(summarizer, "summarizers", "summarizer", config_dirs)] if summarizer else []),
    ]
    files = list(dict.fromkeys(part.path for part in wanted))
    read = dict(zip(files, load(files, config_dirs=config_dirs, data_dir=data_dir), strict=True))
    broken = next((loaded for loaded in read.values() if loaded.error), None)
    if broken:
        return replace(broken, path=Path(str(parts)))
    values = _together(parts, [(part, read[part.path].values) for part in wanted])
    return LoadedConfig(
        path=Path(str(parts)),
        values=apply_options(values, cfg_options if isinstance(cfg_options, Mapping) else parse_options(cfg_options)),
        files={name: digest for loaded in read.values() for name, digest in loaded.files.items()},
        environment={name: digest for loaded in read.values() for name, digest in loaded.environment.items()},
        warnings=(
            *_overlays(files, config_dirs),
            *dict.fromkeys(warning for loaded in read.values() for warning in loaded.warnings),
        ),
    )


@dataclass(frozen=True)
class _Part:
    """:param key: what the top-level key is called; for datasets, what it ends with."""

    name: str
    kind: str
    path: Path
    key: str


def _check_named(parts: Parts) -> None:
    if not parts.datasets and not parts.more_datasets:
        raise ConfigError("no dataset is named; name a config, or datasets (--datasets siqa_gen) beside the models")
    if not parts.models and not parts.more_models:
        raise ConfigError("no model is named; name a config, or models (--models hf_llama3_8b) beside the datasets")


def _find(name: str, kind: str, key: str, config_dirs: Sequence[Path]) -> _Part:
    """The file and the key; what ends with ``.py`` may be a path and hold slashes of its own."""
    path = _PATH.match(name.strip())
    if path:
        file, said = path["path"], path["key"]
    elif kind == "models":
        file, said = name, None  # OpenCompass knows no key here, so a slash leads to a folder
    else:
        file, _, said = name.strip().partition("/")
    return _Part(name, kind, find_config(file, config_dirs, kind=kind), said or key)


def _usual_summarizer(config_dirs: Sequence[Path]) -> str | None:
    try:
        find_config(_USUAL_SUMMARIZER, config_dirs, kind="summarizers")
    except ConfigError:
        return None
    return _USUAL_SUMMARIZER


def _together(parts: Parts, read: Sequence[tuple[_Part, Mapping[str, Any]]]) -> dict[str, Any]:
    models, datasets, summarizer = [*parts.more_models], [*parts.more_datasets], None
    for part, values in read:
        if part.kind == "models":
            models += _entries(part, values, [key for key in values if key == part.key])
        elif part.kind == "datasets":
            datasets += _entries(part, values, [key for key in values if key.endswith(part.key)])
        elif part.key not in values:
            raise ConfigError(f"{part.path} has no {part.key}; {_keys(values)}")
        else:
            summarizer = values[part.key]
    if parts.dataset_num_runs > 1:
        datasets = [{**entry, "n": parts.dataset_num_runs, "k": parts.dataset_num_runs} for entry in datasets]
    return {"models": models, "datasets": datasets, "summarizer": summarizer}


def _entries(part: _Part, values: Mapping[str, Any], keys: list[str]) -> list[Any]:
    if not keys:
        ends = "key that ends with" if part.kind == "datasets" else "key"
        raise ConfigError(f"{part.path} has no {ends} {part.key!r}; {_keys(values)}")
    for key in keys:
        if not isinstance(values[key], list):
            raise ConfigError(f"{part.path}: {key} is {values[key]!r:.60}, not a list; correct it or name another key")
    return [entry for key in keys for entry in values[key]]


def _keys(values: Mapping[str, Any]) -> str:
    return f"its keys are: {', '.join(values) or 'none'}; name one after a slash, or another file"


def _overlays(files: Sequence[Path], config_dirs: Sequence[Path]) -> Iterator[str]:
    for file in files:
        for other in overlaid(file, config_dirs):
            yield f"{file} stands in place of {other}, which is not the same; name that one by its path if it is meant"


def _few(names: Sequence[str]) -> str:
    shown = [name.replace("/", ":") for name in names[:3]]
    return ", ".join(shown) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
