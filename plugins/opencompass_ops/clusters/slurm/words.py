"""Any text as one word of bash on one line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from opencompass_ops.errors import JobRefused


def word(text: str) -> str:
    """Quoted so that bash reads back exactly this text; a line break inside never begins a line of the script.

    :raises JobRefused: NUL, or what is no text in UTF-8: no program can be given that.
    """
    try:
        if "\0" in text:
            raise ValueError("it contains NUL")
        text.encode()
    except ValueError as error:
        raise JobRefused(f"{text!r} cannot be passed to a program ({error}); remove that character") from error
    if not any(ord(character) < 32 or ord(character) == 127 for character in text):
        return shlex.quote(text)
    return "$'" + "".join(map(_escaped, text)) + "'"


def words(texts: Iterable[str]) -> str:
    """Several of them, with spaces between."""
    return " ".join(map(word, texts))


def assignment(name: str, value: str) -> str:
    """``NAME=value`` for ``export``.

    :raises JobRefused: the name is none of a variable, or the value cannot be passed on.
    """
    if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
        raise JobRefused(f"{name!r} is no name of an environment variable; correct env in the cluster's config")
    return f"{name}={word(value)}"


def _escaped(character: str) -> str:
    if character in "\\'":
        return "\\" + character
    code = ord(character)
    return f"\\{code:03o}" if code < 32 or code == 127 else character
