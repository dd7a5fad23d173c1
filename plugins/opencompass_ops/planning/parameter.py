"""What one parameter is, and how it becomes a field of the form, of the REST schema and a flag of the command line.

DAG files import this when they are parsed, so it is standard library only.
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

OVERRIDE_FIELDS = ("path", "tokenizer_path", "abbr")

LOCAL, SLURM, DLC = "local", "slurm", "dlc"
"""Kinds of clusters."""


@dataclass(frozen=True)
class Parameter:
    """One thing that a request can say.

    :param section: heading that the form folds it under; "" for what it shows at once.
    :param kind: JSON type: ``string``, ``integer``, ``boolean`` or ``array``.
    :param default: value when nothing is said; None means "may be null".
    :param flags: command line flags; empty for the positional argument.
    :param bare: value of a flag that is given without one.
    :param shorthands: further flags, each of which stands for a value.
    :param pattern: regular expression that a string, or each string of an array, matches as a whole.
    :param expected: what the pattern allows, in words.
    :param metavar: what the help of the command line shows for a value of an array.
    :param fields: for an array of objects: the names of their fields; the first one is required.
    :param kinds: the kinds of cluster on which it means something; empty for all.
    :param dead: why saying it changes nothing; it is accepted with this warning and is no field of the form.
    :param refused: why it cannot be had and what to do instead; whoever says it is told so.
    :param typed: whether the command run takes it all the same and keeps it from the request.
    """

    name: str
    kind: str
    title: str
    description: str
    section: str
    default: Any = None
    flags: tuple[str, ...] = ()
    bare: str | None = None
    shorthands: tuple[tuple[str, str], ...] = ()
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = None
    expected: str = "a plain name of letters, digits, '.', '_' and '-', not a path"
    metavar: str | None = None
    fields: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    dead: str = ""
    refused: str = ""
    typed: bool = False

    @property
    def is_live(self) -> bool:
        """Whether saying it has an effect."""
        return not self.dead and not self.refused

    @property
    def nullable(self) -> bool:
        """Whether null stands for the default; Airflow's form sends null for a list that was emptied."""
        return self.default is None or self.kind == "array"

    def schema(self, proposals: Sequence[str] = ()) -> dict[str, Any]:
        """JSON schema and form keywords of Airflow 3.3's ``Param``.

        :param proposals: values that the form offers beside free text.
        """
        optional = {
            "enum": [*self.choices, *([None] if self.nullable else [])] if self.choices else None,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "pattern": self.pattern if self.kind == "string" else None,
            "examples": sorted(proposals) or None,
            "items": self._items(),
            "section": self.section or None,
        }
        return {
            "type": [self.kind, "null"] if self.nullable else self.kind,
            "title": self.title,
            "description": self.description,
            **{key: value for key, value in optional.items() if value is not None},
        }

    def _items(self) -> dict[str, Any] | None:
        if self.kind != "array":
            return None
        if not self.fields:
            return {"type": "string"}
        properties: dict[str, Any] = {field: {"type": ["string", "null"]} for field in self.fields}
        properties[self.fields[0]] = {"type": "string", "minLength": 1}
        return {
            "type": "object",
            "properties": properties,
            "required": [self.fields[0]],
            "additionalProperties": False,
        }

    def add_argument(self, parser: argparse.ArgumentParser) -> None:
        """Add this parameter's positional argument or flags."""
        group = parser.add_mutually_exclusive_group() if self.shorthands else parser
        self._add_flags(group)
        for flag, value in self.shorthands:
            said = f"Short for {self.flags[-1]} {value}."
            group.add_argument(flag, dest=self.name, action="store_const", const=value, help=said)

    def _add_flags(self, parser: argparse._ActionsContainer) -> None:
        options: dict[str, Any] = {"help": self.description.replace("%", "%%")}
        if not self.flags:
            parser.add_argument(self.name, nargs="?", **options)
            return
        if self.kind == "boolean" and self.default:
            options |= {"default": True, "nargs": "?", "const": True, "type": _unless_false, "metavar": "false"}
        elif self.kind == "boolean":
            options["action"] = "store_true"
        elif self.fields:
            options |= {"action": "append", "type": parse_override, "metavar": self.metavar}
        elif self.kind == "array":
            options |= {"action": "extend", "nargs": "+", "metavar": self.metavar}
        else:
            options |= {"default": self.default, "type": int if self.kind == "integer" else str}
            options |= {"choices": self.choices} if self.choices else {}
            options |= {"nargs": "?", "const": self.bare} if self.bare else {}
        parser.add_argument(*self.flags, dest=self.name, **options)


def _unless_false(text: str) -> bool:
    """OpenCompass's reading of ``--dump-eval-details X``: all but the word false means yes."""
    return text.strip().lower() != "false"


def parse_override(text: str) -> dict[str, str]:
    """``path=P,tokenizer_path=T,abbr=A`` as a dict; commas inside a value are kept.

    :raises argparse.ArgumentTypeError: a piece is not ``field=value`` or names a field twice.
    """
    override: dict[str, str] = {}
    for piece in re.split(r",(?=\s*\w+=)", text):
        field, equals, value = piece.strip().partition("=")
        if not equals or field not in OVERRIDE_FIELDS or field in override:
            raise argparse.ArgumentTypeError(f"{text!r}: {piece!r} is not one of path=, tokenizer_path=, abbr= (once)")
        override[field] = value
    return override


def nearest(word: str, names: Sequence[str]) -> str:
    """`` (did you mean 'x'?)`` for the name most like ``word``, else the sorted names."""
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(names))}"
