"""From whatever a config left behind to plain JSON values."""

from __future__ import annotations

import io
import math
import types
from collections.abc import Mapping
from typing import Any

_HELPERS = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type, io.IOBase)
_KEYS = frozenset({"models", "datasets", "summarizer", "infer", "eval", "work_dir", "model_dataset_combinations"})


class NotPlainError(ValueError):
    """A value that JSON cannot hold, with the path of its key."""


def plain_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """A config's top level as plain values.

    Helpers that a config needs while it runs (functions, modules, open files, and private names that hold
    what is not data) are left out, as OpenCompass never looks at them.

    :raises NotPlainError: something that is part of the config is no plain value.
    """
    result = {}
    for key, value in values.items():
        if isinstance(value, _HELPERS) and key not in _KEYS:
            continue
        try:
            result[key] = plain(value, key)
        except NotPlainError:
            if not key.startswith("_"):
                raise
    return result


def plain(value: Any, path: str = "") -> Any:
    """``value`` with tuples as lists and whole-number keys as text, which is how JSON keeps them.

    :param path: the dotted key of the value, for the message.
    :raises NotPlainError: the value, or one inside it, is a function, a class, a set, an infinity, ...
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return _finite(value, path)
    if isinstance(value, Mapping):
        return {_key(key, path): plain(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{path}.{index}") for index, item in enumerate(value)]
    kind = type(value).__name__
    raise NotPlainError(f"{path} is a {kind} ({value!r:.60}); write a number, text, list or dict, or import the class")


def _finite(value: float, path: str) -> float:
    if not math.isfinite(value):
        raise NotPlainError(f"{path} is {value}, which JSON cannot hold; write a finite number")
    return value


def _key(key: Any, path: str) -> str:
    if isinstance(key, str):
        return key
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    raise NotPlainError(f"{path} has the key {key!r:.60} of type {type(key).__name__}; use text or a whole number")
