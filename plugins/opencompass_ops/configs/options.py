"""``--cfg-options``: mmengine's grammar (``mmengine.config.DictAction`` 0.10.7) and its merge, with clear errors.

Same results as mmengine wherever it gives a sensible one. It asserts on unbalanced brackets, recurses without end
on ``[1],[2]`` and ``x[1,2]``, and keeps crossed brackets as text; here all are refused with the item's text.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from opencompass_ops.configs.plain import NotPlainError, plain
from opencompass_ops.errors import ConfigError

_PAIRS = {")": "(", "]": "["}
_DELETE = "_delete_"
_DEEPEST = 32


def parse_options(items: Iterable[str]) -> dict[str, Any]:
    """Parse ``key=value`` texts; the last value of a key wins.

    Values: quotes around and all spaces are dropped; ``(...)`` is a tuple, ``[...]`` and anything with a comma a
    list; the rest is a whole number, a number, true/false, ``None`` or text, the first that fits.

    :raises ConfigError: an item has no ``=``, no key or unbalanced brackets.
    """
    options: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not all(key.split(".")):
            raise ConfigError(f"cfg option {item!r} is not key=value; write for instance models.0.batch_size=8")
        options[key] = _value(value, item)
    return options


def apply_options(values: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Merge options with dotted keys into plain values; the given values stay as they are.

    Missing keys are created; a number is an index where a list stands; ``key._delete_=True`` replaces a dict
    instead of merging into it.

    :raises ConfigError: an index is out of range, a path leads through a plain value, two options contradict, or
        a value (an infinity) cannot be kept as JSON.
    """
    tree: dict[str, Any] = {}
    for key, value in options.items():
        _plant(tree, key, value)
    try:
        return dict(plain(_merge(values, tree, "")))
    except NotPlainError as error:
        raise ConfigError(f"cfg options: {error}") from error


def _value(text: str, item: str) -> Any:
    bare = text.strip("'\"").replace(" ", "")
    if bare.startswith("(") and bare.endswith(")"):
        return tuple(_value(piece, item) for piece in _pieces(_inside(bare, item), item))
    if bare.startswith("[") and bare.endswith("]"):
        return [_value(piece, item) for piece in _pieces(_inside(bare, item), item)]
    if "," not in bare:
        return _scalar(bare)
    pieces = _pieces(bare, item)
    if pieces == [bare]:
        raise ConfigError(f"cfg option {item!r} has text beside a list, {bare!r}; put a comma or brackets between")
    return [_value(piece, item) for piece in pieces]


def _inside(text: str, item: str) -> str:
    """What the outer brackets hold; refused when the first one closes before the end, as in ``[1],[2]``."""
    if any(depth == 0 for depth in _depths(text, item)[:-1]):
        raise ConfigError(f"cfg option {item!r} has several lists side by side; put one more pair of brackets around")
    return text[1:-1]


def _pieces(text: str, item: str) -> list[str]:
    """What stands between commas outside brackets; one comma at the end adds nothing."""
    depths = _depths(text, item)
    cuts = [index for index, char in enumerate(text) if char == "," and depths[index] == 0]
    starts, stops = [0, *(cut + 1 for cut in cuts)], [*cuts, len(text)]
    pieces = [text[start:stop] for start, stop in zip(starts, stops, strict=True)]
    return pieces if pieces[-1] else pieces[:-1]


def _depths(text: str, item: str) -> list[int]:
    """How many brackets are open after each character."""
    stack: list[str] = []
    depths = []
    for char in text:
        if char in "([":
            stack.append(char)
        elif char in _PAIRS and (not stack or stack.pop() != _PAIRS[char]):
            raise ConfigError(f"cfg option {item!r}: {char!r} closes nothing; balance the brackets")
        if len(stack) > _DEEPEST:
            raise ConfigError(f"cfg option {item:.60} ... nests more than {_DEEPEST} lists; put it into the config")
        depths.append(len(stack))
    if stack:
        raise ConfigError(f"cfg option {item!r}: {stack[-1]!r} is never closed; balance the brackets")
    return depths


def _scalar(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), None if text == "None" else text)


def _plant(tree: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        branch = tree.setdefault(parent, {})
        if not isinstance(branch, dict):
            raise ConfigError(f"cfg options set {parent!r} and also {key!r} below it; keep one of them")
        tree = branch
    tree[last] = copy.deepcopy(dict(value) if isinstance(value, Mapping) else value)


def _merge(base: Any, options: Mapping[str, Any], path: str) -> Any:
    """``base``, a dict or a list, with the options merged into a copy."""
    result: Any = dict(base) if isinstance(base, Mapping) else list(base)
    for key, value in options.items():
        if key == _DELETE:
            continue
        here = f"{path}.{key}" if path else key
        if isinstance(result, list):
            index = _index(key, result, path)
            result[index] = _merged(result[index], value, here)
        else:
            result[key] = _merged(result[key], value, here) if key in result else _fresh(value)
    return result


def _merged(old: Any, new: Any, path: str) -> Any:
    if not isinstance(new, dict):
        return new
    if new.get(_DELETE):
        return _fresh(new)
    if not isinstance(old, (Mapping, list, tuple)):
        raise ConfigError(
            f"cfg option {path}.{next(iter(new), '')} leads through {path}, which is {old!r:.60}, not a dict"
        )
    return _merge(old, new, path)


def _fresh(value: Any) -> Any:
    """A value for a key that was not there: no marker of a deletion stays."""
    if not isinstance(value, dict):
        return value
    return {key: _fresh(item) for key, item in value.items() if key != _DELETE}


def _index(key: str, items: list[Any], path: str) -> int:
    if not key.isdecimal() or int(key) >= len(items):
        raise ConfigError(
            f"cfg option {path}.{key}: {path} is a list of {len(items)}; use an index 0 to {len(items) - 1}"
        )
    return int(key)
