"""Names of classes and functions in a config that nothing native has; OpenCompass may have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from inference.build import FAMILIES, INFERENCERS, TEMPLATES
from inference.evaluators import EVALUATORS
from inference.grades import GRADINGS
from inference.loaders import LOADERS
from inference.postprocess import POSTPROCESSORS
from inference.registry import Registry
from inference.retrievers import RETRIEVERS
from opencompass_ops.contract.probe import UnknownName

_BY_KEY: Mapping[str, Registry[Any]] = {
    "retriever": RETRIEVERS,
    "inferencer": INFERENCERS,
    "prompt_template": TEMPLATES,
    "ice_template": TEMPLATES,
    "evaluator": EVALUATORS,
    "rule_evaluator": EVALUATORS,
    "llm_evaluator": EVALUATORS,
    "pred_postprocessor": POSTPROCESSORS,
    "dataset_postprocessor": POSTPROCESSORS,
    "dict_postprocessor": GRADINGS,
    "dataset_cfg": LOADERS,
}
"""What stands under a key, wherever it is: evaluators hold evaluators, judges have datasets and templates."""


def unknown_in_dataset(config: Mapping[str, Any]) -> list[UnknownName]:
    """Every name in a dataset config that is not native, in the order of the config."""
    return list(_unknown(config, LOADERS, f"dataset {config.get('abbr', '?')}", ""))


def unknown_in_model(config: Mapping[str, Any]) -> list[UnknownName]:
    """The same of a model config."""
    return list(_unknown(config, FAMILIES, f"model {config.get('abbr', '?')}", ""))


def _unknown(config: Mapping[str, Any], registry: Registry[Any], owner: str, place: str) -> Iterator[UnknownName]:
    name = config.get("type")
    if isinstance(name, str) and name and not registry.has(name):
        yield UnknownName(owner, place, registry.what, name)
    yield from _inside(config, owner, place)


def _inside(config: Mapping[str, Any], owner: str, place: str) -> Iterator[UnknownName]:
    for key, value in config.items():
        at = f"{place}.{key}" if place else str(key)
        if isinstance(value, Mapping) and key in _BY_KEY:
            yield from _unknown(value, _BY_KEY[key], owner, at)
        elif isinstance(value, Mapping):
            yield from _inside(value, owner, at)
