"""What is wrong with a config, told from what it says alone: every culprit, not only the first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opencompass_ops.configs.custom import is_custom
from opencompass_ops.configs.defined import OF_OPENCOMPASS, defines, unknown_name
from opencompass_ops.configs.keys import unread_in_dataset, unread_in_model
from opencompass_ops.configs.load import LoadedConfig
from opencompass_ops.configs.masking import mask
from opencompass_ops.configs.resolve import Entry, resolve, unique
from opencompass_ops.culprits import together
from opencompass_ops.errors import ConfigError

_LISTED = re.compile(r"(?:^|_)datasets$")
_USED = frozenset({"models", "judge_models", "summarizer", "infer", "eval", "lark_bot_url", "work_dir"})
"""Keys that a run reads besides the datasets; the others are helpers of the config."""

_ASKING = ("GenInferencer", "PPLInferencer", "LLInferencer", "CLPInferencer")
_DEAD = "model_postprocessor"
"""A key that OpenCompass reads no more; configs of its library name classes there that it has no more either."""

_STAND_IN_MODEL: Entry = {"type": "M", "abbr": "m", "path": "p"}
_STAND_IN_DATASET: Entry = {
    "type": "D",
    "abbr": "d",
    "reader_cfg": {},
    "infer_cfg": {"retriever": {"type": "R"}, "inferencer": {"type": "I"}},
    "eval_cfg": {},
}


@dataclass(frozen=True)
class Finding:
    """One thing that would fail later, or that is worth a look.

    :param says: what is wrong and what to do about it, in one message.
    :param is_error: whether a run of the config would fail or give no number.
    """

    says: str
    is_error: bool = True

    def __str__(self) -> str:
        """``error: ...`` or ``warning: ...``."""
        return f"{'error' if self.is_error else 'warning'}: {self.says}"


@dataclass(frozen=True)
class Content:
    """What a config describes; an evaluation has models and datasets, a part of one has one of them.

    :param datasets: those under ``datasets``, else under every key that ends with ``_datasets``.
    """

    models: list[Entry]
    datasets: list[Entry]

    @property
    def is_evaluation(self) -> bool:
        """Whether it can be run."""
        return bool(self.models and self.datasets)


def content(values: Mapping[str, Any]) -> Content:
    """The entries of a config, as they stand there."""
    return Content(models=_entries(values.get("models")), datasets=listed_datasets(values))


def listed_datasets(values: Mapping[str, Any]) -> list[Entry]:
    """The datasets that a config describes: those under ``datasets``, else those of all keys that end with it.

    A file that joins the lists of its bases shows each dataset twice; it counts once.
    """
    lists = dataset_lists(values)
    chosen = [lists["datasets"]] if "datasets" in lists else lists.values()
    return unique([entry for entries in chosen for entry in entries])


def dataset_lists(values: Mapping[str, Any]) -> dict[str, list[Entry]]:
    """Key to datasets of every top-level list of datasets."""
    return {key: _entries(value) for key, value in values.items() if _LISTED.search(key)}


def findings(loaded: LoadedConfig, library: Path | None) -> list[Finding]:
    """Everything wrong with a config that its text alone tells.

    :param loaded: the config; one that could not be read has one finding.
    :param library: the ``configs`` folder of an OpenCompass whose classes are known; None when there is none.
    """
    if loaded.error:
        return [Finding(loaded.error.removeprefix(f"{loaded.path}: "))]
    found = content(loaded.values)
    package = package_of(library)
    return [
        *(Finding(problem) for problem in _resolving(loaded, found)),
        *(finding for dataset in found.datasets for finding in _prompt(dataset)),
        *(Finding(problem) for problem in _types(_used(loaded.values), package)),
        *(Finding(warning, False) for warning in _unread(found, package)),
        *_secrets(_used(loaded.values)),
        *(Finding(warning, False) for warning in loaded.warnings),
    ]


def package_of(library: Path | None) -> Path | None:
    """The package ``opencompass`` whose ``configs`` these are; None where they lie in none, and no class is known."""
    return library.parent if library and library.parent.name == "opencompass" else None


def _entries(value: Any) -> list[Entry]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _resolving(loaded: LoadedConfig, found: Content) -> tuple[str, ...]:
    """What :func:`resolve` refuses; what a part of an evaluation leaves out has a stand-in."""
    typed = [entry for entry in found.datasets if not is_custom(entry)] or [_STAND_IN_DATASET]
    stand_ins = {"models": [_STAND_IN_MODEL], "datasets": typed}
    others: dict[str, Any] = {} if found.is_evaluation else {"model_dataset_combinations": []}
    try:
        resolve(replace(loaded, values={**stand_ins, **loaded.values, **others}))
    except ConfigError as error:
        return error.culprits
    return ()


def _prompt(dataset: Entry) -> Iterator[Finding]:
    """What is wrong with how a dataset is asked (``opencompass/openicl``: PromptTemplate and BaseRetriever, 0.5.4)."""
    infer, place = dataset.get("infer_cfg"), f"dataset {dataset.get('abbr', dataset.get('path'))}"
    if not isinstance(infer, dict) or not _asks(infer.get("inferencer")):
        return
    prompt, examples = infer.get("prompt_template"), infer.get("ice_template")
    if not prompt and not examples:
        yield Finding(f"{place}: infer_cfg has neither prompt_template nor ice_template; add the one that asks")
    holder = prompt if prompt and examples else examples
    if isinstance(holder, dict) and examples and not holder.get("ice_token") and not _is_raw(holder):
        name = "prompt_template" if prompt else "ice_template"
        yield Finding(f"{place}: {name} has no ice_token, so no example finds its place; add ice_token='</E>'")
    columns, shown = _columns(dataset.get("reader_cfg")), str(prompt or examples or {})
    if (
        columns
        and _is_plain(prompt or examples)
        and not any(f"{{{column}}}" in shown or f"'{column}'" in shown for column in columns)
    ):
        names = ", ".join(columns)
        yield Finding(f"{place}: the prompt shows none of its columns ({names}); write {{{columns[0]}}} into it", False)


def _is_raw(template: Mapping[str, Any]) -> bool:
    """Whether the template has an ``ice_token`` of its own."""
    return str(template.get("type")).endswith("RawPromptTemplate")


def _is_plain(template: Any) -> bool:
    """Whether the prompt is what the config says; templates of other classes may make it of anything."""
    kind = template.get("type") if isinstance(template, Mapping) else None
    return str(kind or "").rpartition(".")[2] in ("", "PromptTemplate", "RawPromptTemplate")


def _asks(inferencer: Any) -> bool:
    kind = inferencer.get("type") if isinstance(inferencer, dict) else None
    return isinstance(kind, str) and kind.rsplit(".", 1)[-1] in _ASKING


def _columns(reader: Any) -> list[str]:
    columns = reader.get("input_columns", []) if isinstance(reader, dict) else []
    names = [columns] if isinstance(columns, str) else [column for column in columns if isinstance(column, str)]
    return [word for name in names for word in re.split(r"[,\s]+", name) if word]  # some say several in one text


def _types(values: Mapping[str, Any], package: Path | None) -> Iterator[str]:
    """Classes of OpenCompass that it does not have."""
    places: dict[str, str] = {}
    for place, kind in _typed(values, ""):
        if OF_OPENCOMPASS.fullmatch(kind) or (place == "summarizer" and "." not in kind):
            places.setdefault(kind, place)
    for kind, place in places.items() if package else ():
        name = kind.rsplit(".", 1)[-1]
        if package and not defines(name, package):
            yield f"{place} ({kind}): {unknown_name(name, package)}"


def _typed(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        if isinstance(value.get("type"), str):
            yield place, value["type"]
        for key, item in value.items():
            if key != _DEAD:
                yield from _typed(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _typed(item, f"{place}[{index}]")


def _used(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a run reads; the rest are helpers of the config."""
    return {key: value for key, value in values.items() if key in _USED or _LISTED.search(key)}


def _unread(found: Content, package: Path | None) -> Iterator[str]:
    """Keys that nothing reads, one of many models or datasets told once."""
    of_models = [(name, said) for name, entry in _called(found.models) for said in unread_in_model(entry)]
    of_sets = [(name, said) for name, entry in _called(found.datasets) for said in unread_in_dataset(entry, package)]
    yield from (*together(of_models, "model"), *together(of_sets, "dataset"))


def _called(entries: list[Entry]) -> list[tuple[str, Entry]]:
    return [(str(entry.get("abbr") or entry.get("path") or entry.get("type")), entry) for entry in entries]


def _secrets(used: Mapping[str, Any]) -> Iterator[Finding]:
    for place in _differing(used, mask(used), ""):
        yield Finding(f"{place} looks like a secret; put it into a connection or the environment", False)


def _differing(value: Any, masked: Any, place: str) -> Iterator[str]:
    if isinstance(value, Mapping) and isinstance(masked, Mapping):
        for key, item in value.items():
            yield from _differing(item, masked[key], f"{place}.{key}" if place else str(key))
    elif isinstance(value, list) and isinstance(masked, list):
        for index, item in enumerate(value):
            yield from _differing(item, masked[index], f"{place}[{index}]")
    elif value != masked:
        yield place
