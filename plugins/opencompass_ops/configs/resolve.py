"""From a loaded config to an evaluation: models, datasets and their names, or the reason why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opencompass_ops.configs.load import LoadedConfig
from opencompass_ops.configs.names import dataset_abbr, model_abbr
from opencompass_ops.contract import codec, layout
from opencompass_ops.culprits import Culprits
from opencompass_ops.errors import ConfigError

Entry = dict[str, Any]

_DATASET_PARTS = ("reader_cfg", "infer_cfg", "eval_cfg")
_INFER_PARTS = ("retriever", "inferencer")


@dataclass(frozen=True)
class EvalConfig:
    """An evaluation as a config describes it.

    :param models: model configs, each with ``abbr``.
    :param datasets: dataset configs, each with ``abbr``.
    :param model_dataset_combinations: ``{"models": [abbr, ...], "datasets": [abbr, ...]}`` each; empty for all x all.
    :param judge_models: models that judge, as the config says them; summarizers of OpenCompass's read them.
    :param fingerprint: digest of the values and of every file and variable that the config read.
    :param warnings: what people should know before they trust the numbers.
    :param station_path: the results station that the config names.
    :param lark_bot_url: where OpenCompass's status reports go, "" where the config does not say; as good as a password.
    """

    models: list[Entry]
    datasets: list[Entry]
    summarizer: Entry | None
    work_dir: str | None
    infer: Entry | None
    eval: Entry | None
    model_dataset_combinations: list[dict[str, list[str]]]
    path: Path
    fingerprint: str
    warnings: tuple[str, ...] = ()
    station_path: str | None = None
    judge_models: tuple[Entry, ...] = ()
    lark_bot_url: str = field(default="", repr=False)


def resolve(loaded: LoadedConfig) -> EvalConfig:
    """Check a loaded config and name its models and datasets.

    :raises ConfigError: the config could not be read, or is no evaluation; the message names each culprit.
    """
    if loaded.error:
        raise ConfigError(loaded.error)
    try:
        return _resolve(loaded)
    except ConfigError as error:
        raise ConfigError(f"{loaded.path}: {error}", error.culprits) from error


def fingerprint(loaded: LoadedConfig) -> str:
    """Digest of everything a config says and has read; where the files lie does not count."""
    return codec.digest([loaded.values, sorted(loaded.files.values()), loaded.environment])


def _resolve(loaded: LoadedConfig) -> EvalConfig:
    values, wrong = loaded.values, Culprits()
    models = wrong.of(_named, [], values, "models", model_abbr)
    of_datasets = values | {"datasets": _unique_datasets(values)}
    datasets = wrong.of(_named, [], of_datasets, "datasets", dataset_abbr)
    wrong.of(_check_datasets, None, of_datasets["datasets"])
    are_named = models and datasets
    config = EvalConfig(
        models=models,
        datasets=datasets,
        summarizer=wrong.of(_optional_dict, None, values, "summarizer"),
        work_dir=wrong.of(_folder, None, values, "work_dir"),
        infer=wrong.of(_optional_dict, None, values, "infer"),
        eval=wrong.of(_optional_dict, None, values, "eval"),
        model_dataset_combinations=wrong.of(_combinations, [], values, models, datasets) if are_named else [],
        path=loaded.path,
        fingerprint=fingerprint(loaded),
        lark_bot_url=_lark_bot_url(values),
        station_path=wrong.of(_folder, None, values, "station_path"),
        judge_models=tuple(entry for entry in values.get("judge_models") or () if isinstance(entry, dict)),
    )
    wrong.refuse()
    return replace(config, warnings=(*loaded.warnings, *_warnings(values, models, datasets), *_warn_of_address(loaded)))


def _lark_bot_url(values: Mapping[str, Any]) -> str:
    """The config's own; else that of a runner, where OpenCompass reads it too."""
    sections = (values.get(name) for name in ("infer", "eval"))
    runners = (section.get("runner") for section in sections if isinstance(section, dict))
    places = [values, *(runner for runner in runners if isinstance(runner, dict))]
    found = (place.get("lark_bot_url") for place in places)
    return next((address for address in found if isinstance(address, str) and address), "")


def _warn_of_address(loaded: LoadedConfig) -> list[str]:
    """An address that came from the environment stands in no file."""
    address = _lark_bot_url(loaded.values)
    if not address or codec.digest_bytes(address.encode()) in loaded.environment.values():
        return []
    return [
        "lark_bot_url stands in the config: whoever can read the file can post to the chat; keep it in the connection "
        "opencompass_lark, or take lark_bot_url from include/configs/lark.py, which reads it from the environment"
    ]


def _named(values: Mapping[str, Any], key: str, name: Callable[[Mapping[str, Any]], str]) -> list[Entry]:
    """The entries under ``key``, each with an ``abbr`` that no other has."""
    entries = values.get(key)
    if not isinstance(entries, list) or not entries:
        raise ConfigError(f"has no {key}; write {key} = [...] with at least one entry")
    wrong = Culprits()
    places = [(f"{key}[{index}]", entry) for index, entry in enumerate(entries)]
    named = [wrong.of(_with_abbr, None, entry, place, key, name) for place, entry in places]
    known = [entry for entry in named if entry is not None]
    wrong.of(_refuse_twins, None, [entry["abbr"] for entry in known], key)
    wrong.refuse()
    return known


def _with_abbr(entry: Any, place: str, key: str, name: Callable[[Mapping[str, Any]], str]) -> Entry:
    if not isinstance(entry, dict):
        raise ConfigError(f"{place} is {entry!r:.60}, not a dict; {key} is a flat list, join lists with +")
    if not isinstance(entry.get("type"), str) or not entry["type"]:
        raise ConfigError(f"{place} ({entry.get('abbr', 'without abbr')}) has no type; name its class")
    if "abbr" in entry and not isinstance(entry["abbr"], str):
        raise ConfigError(f"{place} has the abbr {entry['abbr']!r:.60}; write text")
    return {**entry, "abbr": _safe(name(entry), place)}


def _unique_datasets(values: Mapping[str, Any]) -> Any:
    listed = values.get("datasets")
    return unique(listed) if isinstance(listed, list) else listed


def unique(entries: list[Any]) -> list[Any]:
    """The entries without those that were there before, equal in every setting.

    OpenCompass's own collections list datasets twice; there the second finds the files of the first.
    """
    return list({codec.digest(entry): entry for entry in entries}.values())


def _safe(abbr: str, place: str) -> str:
    try:
        return layout.safe_abbr(abbr)
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from error


def _refuse_twins(abbrs: list[str], key: str) -> None:
    twins = [f"{abbr} ({count} times)" for abbr, count in Counter(abbrs).items() if count > 1]
    if twins:
        raise ConfigError(f"{key} share an abbr: {', '.join(twins)}; files are named by it, so give each its own")


def _check_datasets(entries: Any) -> None:
    wrong = Culprits()
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if isinstance(entry, dict):
            wrong.add(*_lacks(entry, str(entry.get("abbr") or entry.get("path") or f"[{index}]")))
    wrong.refuse()


def _lacks(dataset: Entry, abbr: str) -> Iterator[str]:
    """What a dataset lacks."""
    for part in _DATASET_PARTS:
        if not isinstance(dataset.get(part), dict):
            yield f"dataset {abbr} has no {part}; add {part}=dict(...)"
    for part in _INFER_PARTS if isinstance(dataset.get("infer_cfg"), dict) else ():
        infer = dataset["infer_cfg"].get(part)
        if not isinstance(infer, dict) or not isinstance(infer.get("type"), str):
            yield f"dataset {abbr} has no infer_cfg.{part} with a type; add {part}=dict(type=...)"
    runs, chosen = dataset.get("n", 1), dataset.get("k", 1)
    counts = [runs, *(chosen if isinstance(chosen, list) else [chosen])]
    if not all(isinstance(count, int) and not isinstance(count, bool) and 1 <= count <= runs for count in counts):
        yield (
            f"dataset {abbr} asks for n={runs!r} runs and k={chosen!r} of them: give n a whole number and no k above it"
        )


def _optional_dict(values: Mapping[str, Any], key: str) -> Entry | None:
    value = values.get(key)
    if value is not None and not isinstance(value, dict):
        raise ConfigError(f"{key} is {value!r:.60}, not a dict; write {key} = dict(...)")
    return value


def _folder(values: Mapping[str, Any], key: str) -> str | None:
    value = values.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigError(f"{key} is {value!r:.60}; write a folder's path")
    return value


def _combinations(values: Mapping[str, Any], models: list[Entry], datasets: list[Entry]) -> list[dict[str, list[str]]]:
    known = {"models": {m["abbr"] for m in models}, "datasets": {d["abbr"] for d in datasets}}
    combinations = values.get("model_dataset_combinations") or []
    if not isinstance(combinations, list):
        raise ConfigError("model_dataset_combinations is no list; write [dict(models=[...], datasets=[...]), ...]")
    wrong = Culprits()
    found = [_combination(entry, index, known, wrong) for index, entry in enumerate(combinations)]
    wrong.refuse()
    return found


def _combination(entry: Any, index: int, known: Mapping[str, set[str]], wrong: Culprits) -> dict[str, list[str]]:
    place = f"model_dataset_combinations[{index}]"
    result = {}
    for key, name in (("models", model_abbr), ("datasets", dataset_abbr)):
        listed = entry.get(key) if isinstance(entry, dict) else None
        if not isinstance(listed, list) or not listed:
            wrong.add(f"{place} has no {key}; write dict(models=[...], datasets=[...])")
            continue
        abbrs = [name(item) if isinstance(item, dict) else str(item) for item in listed]
        unknown = [abbr for abbr in abbrs if abbr not in known[key]]
        if unknown:
            wrong.add(f"{place} names {', '.join(unknown)}, not among the {key}; add them to {key} too")
        result[key] = abbrs
    return result


def _warnings(values: Mapping[str, Any], models: list[Entry], datasets: list[Entry]) -> list[str]:
    warnings = []
    if not isinstance((values.get("summarizer") or {}).get("dataset_abbrs", []), list):
        warnings.append("summarizer.dataset_abbrs is no list and is not used")
    again = len(values["datasets"]) - len(datasets)
    if again:
        warnings.append(f"datasets lists {again} of its entries more than once; each counts once")
    warnings += [f"model {model['abbr']} has no path" for model in models if not model.get("path")]
    return warnings
