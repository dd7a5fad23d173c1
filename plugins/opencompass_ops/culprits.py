"""Several culprits told at once, and what is wrong with many of them told once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from opencompass_ops.errors import ConfigError

Value = TypeVar("Value")
Other = TypeVar("Other")

_SHOWN = 3
"""Names of many that a message gives."""


class Culprits:
    """What is wrong with a config, gathered, so that one refusal tells it all."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def of(self, check: Callable[..., Value], otherwise: Other, *given: Any) -> Value | Other:
        """What a check returns; where it raises :class:`ConfigError`, that is kept and ``otherwise`` stands in.

        :param given: what it is called with.
        """
        try:
            return check(*given)
        except ConfigError as error:
            self._found += error.culprits
            return otherwise

    def add(self, *messages: str) -> None:
        """Keep what is wrong."""
        self._found += messages

    def refuse(self) -> None:
        """End here if anything was wrong.

        :raises ConfigError: one message, a line for each culprit.
        """
        found = list(dict.fromkeys(self._found))
        if len(found) == 1:
            raise ConfigError(found[0])
        if found:
            raise ConfigError(f"{len(found)} things are wrong:\n- " + "\n- ".join(found), found)


def together(told: Iterable[tuple[str, str]], kind: str, causes: dict[str, str] | None = None) -> list[str]:
    """What is wrong with each, with those of one cause in one message.

    :param told: name and what is said of it; its own name at the beginning does not count.
    :param kind: what bears the names, such as ``dataset``.
    :param causes: by name, what makes it the same though the words differ; the words of the first one are told then.
    """
    groups: dict[str, dict[str, str]] = {}
    for name, said in told:
        words = said.removeprefix(f"{kind} {name}: ")
        groups.setdefault((causes or {}).get(name) or words, {}).setdefault(name, words)
    return [f"{_names(list(group), kind)}: {next(iter(group.values()))}" for group in groups.values()]


def _names(names: list[str], kind: str) -> str:
    if len(names) == 1:
        return f"{kind} {names[0]}"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} {kind}s ({', '.join(names[:_SHOWN])}{more})"
