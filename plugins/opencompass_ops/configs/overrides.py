"""Several checkpoints in one run: copies of the configured model, each with its own path."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from opencompass_ops.configs.resolve import EvalConfig
from opencompass_ops.contract import codec, layout
from opencompass_ops.errors import PlanError

_KEYS = ("path", "tokenizer_path", "abbr")


def override(config: EvalConfig, overrides: Sequence[Mapping[str, Any]]) -> EvalConfig:
    """The evaluation with its one model replaced by a copy per override; as it is when there is none.

    Combinations that name the model name all copies.

    :raises PlanError: as :func:`apply_overrides` does.
    """
    if not overrides:
        return config
    models = apply_overrides(config.models, overrides)
    abbrs = [model["abbr"] for model in models]
    combinations = [{**entry, "models": abbrs} for entry in config.model_dataset_combinations]
    digest = codec.digest([config.fingerprint, models])
    return replace(config, models=models, model_dataset_combinations=combinations, fingerprint=digest)


def apply_overrides(
    models: Sequence[Mapping[str, Any]], overrides: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """One copy of the configured model per override.

    :param models: the configured models, each with ``abbr``.
    :param overrides: ``path``, and if wanted ``tokenizer_path`` (else the new path, unless the config names another
        tokenizer) and ``abbr`` (else the path's last part).
    :raises PlanError: more than one model is configured, or an override is malformed; the message names it.
    """
    if not isinstance(overrides, (list, tuple)) or not overrides:
        raise PlanError(f"model overrides are {overrides!r:.60}; give a list of {{path, tokenizer_path, abbr}}")
    if len(models) != 1:
        listed = ", ".join(str(model["abbr"]) for model in models) or "none"
        raise PlanError(
            f"model overrides need exactly one configured model, but the config has {len(models)}: {listed};"
            " leave one in the config"
        )
    copies = [_overridden(models[0], item, number) for number, item in enumerate(overrides, 1)]
    _refuse_twins([model["abbr"] for model in copies])
    return copies


def _overridden(template: Mapping[str, Any], item: Any, number: int) -> dict[str, Any]:
    _check(item, number)
    path, old = item["path"], template.get("path")
    model = copy.deepcopy(dict(template))
    model["path"] = path
    if item.get("tokenizer_path"):
        model["tokenizer_path"] = item["tokenizer_path"]
    elif template.get("tokenizer_path") in (None, old):
        model["tokenizer_path"] = path
    model["abbr"] = _abbr(item.get("abbr") or PurePosixPath(path).name, number)
    return model


def _check(item: Any, number: int) -> None:
    place = f"model override {number}"
    if not isinstance(item, Mapping):
        raise PlanError(f"{place} is {item!r:.80}; write {{path, tokenizer_path, abbr}}")
    unknown = [str(key) for key in item if key not in _KEYS]
    if unknown:
        raise PlanError(f"{place} has the unknown key {', '.join(unknown)}; it may have {', '.join(_KEYS)}")
    for key in _KEYS:
        value = item.get(key)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise PlanError(f"{place}: {key} is {value!r:.80}; write text or leave it out")
    if item.get("path") is None:
        raise PlanError(f"{place} has no path: {dict(item)!r:.80}; name the checkpoint's folder")


def _abbr(abbr: str, number: int) -> str:
    try:
        return layout.safe_abbr(abbr)
    except ValueError as error:
        raise PlanError(f"model override {number}: {error}") from error


def _refuse_twins(abbrs: list[str]) -> None:
    seen: dict[str, int] = {}
    for number, abbr in enumerate(abbrs, 1):
        if abbr in seen:
            raise PlanError(f"model overrides {seen[abbr]} and {number} are both called {abbr!r}; give one an abbr")
        seen[abbr] = number
