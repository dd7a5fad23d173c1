"""What checker and program tell each other: frames of JSON, in which only plain values travel as themselves.

A value of the standard library's types arrives equal to what was sent. One of a class derived from them arrives with
its content and as of another class, whatever its ``__eq__`` says. Anything else stays where it is, and a number stands
for it.
"""

from __future__ import annotations

import json
import numbers
import os
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

LARGEST_FRAME = 16 * 2**20
"""Bytes; a program that answers more than this answers wrongly."""

_LARGEST_NUMBER = 2**63
_BLOCK = 1 << 16
_LENGTH_BYTES = 4

_SEQUENCES: dict[str, type] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "deque": deque}
_MAPPINGS: dict[str, type] = {"dict": dict, "OrderedDict": OrderedDict, "defaultdict": defaultdict, "Counter": Counter}
_NAMES = {kind: name for name, kind in (_SEQUENCES | _MAPPINGS).items()}
_TYPES = {kind.__name__: kind for kind in (bool, int, float, str, bytes, complex, list, tuple, dict, set, frozenset)}
_BASES: tuple[type, ...] = (str, bytes, bytearray, complex, Decimal, Fraction, *_NAMES)

Keep = Callable[[Any], list[Any]]
Find = Callable[[list[Any]], Any]


class BadFrame(ValueError):
    """What arrived is no message of ours."""


class Pipe:
    """Messages over a stream.

    :param descriptor: of a socket or pipe; closed by whoever opened it.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def send(self, message: Any) -> None:
        """:raises OSError: nobody listens."""
        body = json.dumps(message).encode()
        left = memoryview(len(body).to_bytes(_LENGTH_BYTES, "big") + body)
        while left:
            left = left[os.write(self._descriptor, left) :]

    def receive(self) -> Any:
        """The next message.

        :raises EOFError: there is none.
        :raises BadFrame: it is too long, or no JSON.
        """
        length = int.from_bytes(self._read(_LENGTH_BYTES), "big")
        if length > LARGEST_FRAME:
            raise BadFrame(f"a message of {length} bytes")
        body = self._read(length)
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadFrame(f"no JSON: {error}") from error

    def _read(self, length: int) -> bytes:
        blocks = []
        while length:
            block = os.read(self._descriptor, min(length, _BLOCK))
            if not block:
                raise EOFError("nobody speaks any more")
            blocks.append(block)
            length -= len(block)
        return b"".join(blocks)


def encode(value: Any, keep: Keep) -> Any:
    """A value as JSON.

    :param keep: what stands for a value that is not plain: a list whose first item is the word for its kind.
    """
    kind = type(value)
    if value is None or kind in (bool, str, float):
        return value
    if kind is type and value.__name__ in _TYPES and _TYPES[value.__name__] is value:
        return ["type", value.__name__]
    if kind is int:
        return value if abs(value) < _LARGEST_NUMBER else ["int", hex(value)]
    if kind in _NAMES or kind in _BASES or kind is range:
        return _encode_as(kind, value, keep)
    base = _base(value)
    return keep(value) if base is None else ["other", _encode_as(base, value, keep)]


def _base(value: Any) -> type | None:
    """The plain type whose content a value of another class has; numbers of numpy are those of Python."""
    if isinstance(value, numbers.Integral) or _is_truth_of_numpy(value):
        return int
    if isinstance(value, numbers.Real) and not isinstance(value, (Decimal, Fraction)):
        return float
    return next((base for base in _BASES if isinstance(value, base)), None)


def _is_truth_of_numpy(value: Any) -> bool:
    return type(value).__module__ == "numpy" and type(value).__name__ in ("bool", "bool_")


def _encode_as(kind: type, value: Any, keep: Keep) -> Any:
    if kind is int:
        return ["int", hex(int(value))]
    if kind is float:
        return float(value)
    if kind is str:
        return str.__str__(value)
    if kind in (bytes, bytearray):
        return [kind.__name__, bytes(value).hex()]
    if kind is complex:
        return ["complex", value.real, value.imag]
    if kind in (Decimal, Fraction):
        return [kind.__name__, str(value)]
    if kind is range:
        return ["range", value.start, value.stop, value.step]
    if kind in _MAPPINGS.values():
        items = [[encode(key, keep), encode(item, keep)] for key, item in dict.items(value)]
        return [_NAMES[kind], items]
    return [_NAMES[kind], [encode(item, keep) for item in kind.__iter__(value)]]  # type: ignore[attr-defined]


def decode(message: Any, find: Find) -> Any:
    """The value of what :func:`encode` made.

    :param find: the value of what ``keep`` made.
    :raises BadFrame: it is none of these.
    """
    try:
        return _decode(message, find)
    except (TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
        raise BadFrame(f"no value: {error}") from error


def _decode(message: Any, find: Find) -> Any:
    if not isinstance(message, list):
        return message
    word, *rest = message
    if word in _SEQUENCES:
        return _SEQUENCES[word](_decode(item, find) for item in rest[0])
    if word in _MAPPINGS:
        return _mapping(word, [(_decode(key, find), _decode(item, find)) for key, item in rest[0]])
    if word == "other":
        value = _decode(rest[0], find)
        kind: type = type(value)
        return _other(kind)(value)
    return _SCALARS[word](*rest) if word in _SCALARS else find(message)


def _mapping(word: str, items: list[tuple[Any, Any]]) -> Any:
    return defaultdict(None, items) if word == "defaultdict" else _MAPPINGS[word](dict(items))


_SCALARS: dict[str, Callable[..., Any]] = {
    "int": lambda text: int(text, 16),
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": complex,
    "Decimal": Decimal,
    "Fraction": Fraction,
    "range": range,
    "type": _TYPES.__getitem__,
}


@cache
def _other(base: type) -> type:
    """A class that is equal to its base's values by content, and is not the base."""
    return type(base.__name__, (base,), {})
