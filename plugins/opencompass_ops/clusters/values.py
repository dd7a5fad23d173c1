"""Doubts plain values once, at the border: one parser per type, the place of the value in every error."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

from opencompass_ops.clusters.environment import looks_secret
from opencompass_ops.errors import ConfigError

Parser = Callable[[str, Any], Any]
"""Called with where the value stands and the value; returns it typed or raises ConfigError."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def parse(where: str, values: Any, fields: Mapping[str, Parser]) -> dict[str, Any]:
    """Every value by its field's parser.

    :raises ConfigError: no dict, an unknown key (with the nearest known one), or what a parser refuses.
    """
    for key in section(where, values):
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(fields)}"
            raise ConfigError(f"{where}: unknown key {key!r}; {hint}")
    return {key: fields[key](f"{where}: {key}", value) for key, value in values.items()}


def section(where: str, value: Any) -> Mapping[str, Any]:
    """A dict."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a dict, not {value!r}")
    return value


def text(where: str, value: Any) -> str:
    """A string without NUL."""
    if not isinstance(value, str) or "\0" in value:
        raise ConfigError(f"{where} must be a string, not {value!r}")
    return value


def texts(where: str, value: Any) -> tuple[str, ...]:
    """A list of strings."""
    listed: tuple[str, ...] = items(text)(where, value)
    return listed


def items(parser: Parser) -> Parser:
    """A list, each item by the parser."""

    def parse_items(where: str, value: Any) -> tuple[Any, ...]:
        if not isinstance(value, (list, tuple)):
            raise ConfigError(f"{where} must be a list of strings, not {value!r}")
        return tuple(parser(f"{where}[{index}]", item) for index, item in enumerate(value))

    return parse_items


def matching(pattern: str, meaning: str) -> Parser:
    """A string that a pattern matches as a whole; "" where nothing is said.

    :param meaning: what it is, for the error.
    """
    compiled = re.compile(rf"(?:{pattern})?\Z", re.ASCII)

    def parse_matching(where: str, value: Any) -> str:
        if not compiled.match(text(where, value)):
            raise ConfigError(f"{where} must be {meaning}, not {value!r}")
        return str(value)

    return parse_matching


def choice(*allowed: str) -> Parser:
    """One of a few words; "" where nothing is said."""

    def parse_choice(where: str, value: Any) -> str:
        if value not in ("", *allowed) or not isinstance(value, str):
            raise ConfigError(f"{where} must be {' or '.join(map(repr, allowed))}, not {value!r}")
        return value

    return parse_choice


def maybe(parser: Parser) -> Parser:
    """None, or what the parser reads."""

    def parse_maybe(where: str, value: Any) -> Any:
        return None if value is None else parser(where, value)

    return parse_maybe


def flag(where: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{where} must be True or False, not {value!r}")
    return value


def count(minimum: int) -> Parser:
    """A whole number."""

    def parse_count(where: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise ConfigError(f"{where} must be a whole number of at least {minimum}, not {value!r}")
        return value

    return parse_count


def seconds(where: str, value: Any) -> float:
    """A pause between 0.1 s and an hour."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0.1 <= value <= 3600:
        raise ConfigError(f"{where} must be seconds between 0.1 and 3600, not {value!r}")
    return float(value)


def folders(where: str, value: Any) -> tuple[str, ...] | None:
    """One folder or a list of them."""
    if value is None:
        return None
    return (text(where, value),) if isinstance(value, str) else texts(where, value)


def mapping(where: str, value: Any) -> dict[str, str]:
    """A dict of strings."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a dict of strings, not {value!r}")
    return {text(f"{where} key", key): text(f"{where}[{key!r}]", item) for key, item in value.items()}


def variable(where: str, value: Any) -> str:
    """The name of an environment variable."""
    if not _VARIABLE.match(text(where, value)):
        raise ConfigError(f"{where}: {value!r} is no name of an environment variable")
    return str(value)


def env(where: str, value: Any) -> dict[str, str]:
    """Environment variables; none may look like a secret."""
    variables = mapping(where, value)
    for name in variables:
        if looks_secret(variable(where, name)):
            raise ConfigError(
                f"{where}: {name!r} looks like a secret, and this config is copied into plan.json; "
                "put it into an Airflow connection or the environment of the cluster's account"
            )
    return variables


def plain(value: Any) -> Any:
    """Dicts and lists all the way down, as JSON knows them."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
