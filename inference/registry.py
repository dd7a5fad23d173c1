"""Config types by name: ``opencompass.datasets.GSM8KDataset`` and ``GSM8KDataset`` are the same one."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from inference.extensions import load_extensions
from inference.problems import InputProblem, NotNative

Entry = TypeVar("Entry")


class Registry(Generic[Entry]):
    """Names to what runs them natively.

    Modules register what they bring when they are imported; the first name that is asked for imports them.

    :param what: what is registered, for messages: ``dataset``, ``evaluator`` ...
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._entries: dict[str, Entry] = {}

    def add(self, *names: str) -> Callable[[Entry], Entry]:
        """Decorator that registers under each name.

        :raises ValueError: another entry has the name; which of two runs must not depend on an order of imports.
        """

        def register(entry: Entry) -> Entry:
            taken = [name for name in names if name in self._entries]
            if taken:
                raise ValueError(f"there is a native {self.what} {taken[0]} already; choose another name")
            self._entries.update(dict.fromkeys(names, entry))
            return entry

        return register

    def names(self) -> list[str]:
        """Every registered name, sorted."""
        load_extensions()
        return sorted(self._entries)

    def has(self, name: str) -> bool:
        """Whether something is registered for a bare or dotted name."""
        load_extensions()
        return name.rsplit(".", 1)[-1] in self._entries

    def find(self, type_: Any) -> Entry:
        """What is registered for a config's ``type``.

        :param type_: a bare or dotted name; only its last component counts.
        :raises InputProblem: it is no name.
        :raises NotNative: nothing native has it.
        """
        if not isinstance(type_, str) or not type_:
            raise InputProblem(f"{self.what} type {type_!r} is no name; give one of {', '.join(self.names())}")
        load_extensions()
        name = type_.rsplit(".", 1)[-1]
        if name not in self._entries:
            raise NotNative(self._unknown(type_, name))
        return self._entries[name]

    def _unknown(self, type_: str, name: str) -> str:
        folded = {known.casefold(): known for known in self.names()}
        close = [folded[key] for key in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.8)]
        near = f"; did you mean {' or '.join(close)}?" if close else ""
        return f"unknown {self.what} type {type_!r}{near}"


def section(config: dict[str, Any], key: str) -> dict[str, Any]:
    """A part of a config such as ``reader_cfg``; empty when there is none.

    :raises InputProblem: it is no dict.
    """
    found = config.get(key) or {}
    if not isinstance(found, dict):
        raise InputProblem(f"{key} must be a dict, not {found!r}")
    return found


def build_kwargs(config: Any, where: str) -> tuple[Any, dict[str, Any]]:
    """A ``dict(type=..., **kwargs)`` config as its type and its keyword arguments.

    :param where: the config's place, for the message.
    :raises InputProblem: it is no dict or has no ``type``.
    """
    if not isinstance(config, dict) or "type" not in config:
        raise InputProblem(f"{where} must be a dict with a 'type', not {config!r}")
    return config["type"], {key: value for key, value in config.items() if key != "type"}


def check_options(function: Callable[..., Any], given: int, options: dict[str, Any], where: str) -> None:
    """Refuse options a function does not take before it is called, so that its own errors stay its own.

    :param given: number of the arguments that come by position.
    :param where: the config's place and type, for the message.
    :raises NotNative: an option is unknown or one that is needed is missing; OpenCompass's may be another.
    """
    try:
        inspect.signature(function).bind(*[None] * given, **options)
    except TypeError as error:
        raise NotNative(f"{where}: {error}; its options are {options!r}") from error
