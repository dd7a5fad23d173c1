"""What a suite asks, as one digest: equal questions, equal digest, whoever answers them and where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opencompass_ops.configs.library import find_config
from opencompass_ops.configs.load import load
from opencompass_ops.contract import codec
from opencompass_ops.errors import ConfigError
from opencompass_ops.instance import absolute
from opencompass_ops.planning.params import BY_NAME
from opencompass_ops.planning.table.headings import HOW, LIMITS, RESOURCES, WHERE
from opencompass_ops.publishing import open_suite, requested
from opencompass_ops.suites import names_suite

_ASKED = ("models", "datasets", "model_dataset_combinations")
_NOT_OF_MODELS = frozenset({"path", "tokenizer_path", "abbr", "run_cfg", "batch_size"})
"""Which checkpoint it is, and how the work is spread."""
_NEVER = frozenset({"config", "model_overrides", "max_num_workers"})


def suite_fingerprint(suite: str, params: Mapping[str, Any]) -> str:
    """The digest (hex) of what a suite asks of a checkpoint.

    A later version of a suite that asks the same has the same digest. What configs only point to, data, does not count:
    it counts when a run is planned, where only what changed is inferred again.

    :param suite: ``SUITE@VERSION``, or the name of a config, which is read then.
    :param params: further parameters of the run.
    :raises InputError: there is no such suite, it is wrong, or it is not open for the params.
    """
    asked = requested({"config": suite, **params})
    said = {name: value for name, value in asked.items() if _counts(name) and value not in (None, "", [])}
    values = open_suite(suite).config if names_suite(suite) else _config(suite, asked)
    config = {key: values.get(key) for key in _ASKED}
    models = [_without(dict(model), _NOT_OF_MODELS) for model in values.get("models") or ()]
    return codec.digest([config | {"models": models}, said])


def _config(name: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
    data = absolute(".")
    options = tuple(params.get("cfg_options") or ())
    loaded = load([find_config(name)], cfg_options=options, data_dir=data if data.is_dir() else None)[0]
    if loaded.error:
        raise ConfigError(loaded.error)
    return loaded.values


def _counts(name: str) -> bool:
    parameter = BY_NAME.get(name)
    return name not in _NEVER and parameter is not None and parameter.section not in (WHERE, RESOURCES, HOW, LIMITS)


def _without(values: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in names}
