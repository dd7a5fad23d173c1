"""Which classes and functions an OpenCompass defines, read from its text: nothing is imported or run."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_PREFIXES = re.compile(r"\bname=['\"](\w+)['\"] *\+")
_DEFINED = re.compile(r"^(?:class|def|async def)\s+(\w+)|^(\w+)\s*(?::[^=\n]+)?=", re.MULTILINE)


@cache
def defined_names(package: Path) -> frozenset[str]:
    """Names of classes, functions and values at the top level of any module.

    :param package: the folder of the package ``opencompass``.
    """
    return frozenset(first or second for text in _texts(package) for first, second in _DEFINED.findall(text))


def defines(name: str, package: Path) -> bool:
    """Whether the package has a class or function of this name, or registers a family of names that it begins like.

    LawBench's evaluators are registered in a loop, as ``name='LawBenchEvaluator_' + index``.
    """
    return name in defined_names(package) or name.startswith(_prefixes(package))


def unknown_name(name: str, package: Path) -> str:
    """What is said of a name that the package does not define: with the nearest ones."""
    near = nearest_names(name, package)
    hint = f"did you mean {' or '.join(near)}?" if near else "correct the name, or update OpenCompass"
    return f"{package} defines no {name}; {hint}"


def nearest_names(name: str, package: Path) -> list[str]:
    """At most three defined names that are nearly the wanted one."""
    folded = {known.casefold(): known for known in defined_names(package)}
    return [folded[key] for key in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.8)]


@cache
def _prefixes(package: Path) -> tuple[str, ...]:
    return tuple(sorted({prefix for text in _texts(package) for prefix in _PREFIXES.findall(text)}))


def _texts(package: Path) -> Iterator[str]:
    files = (file for file in package.rglob("*.py") if not file.is_relative_to(package / "configs"))
    return (file.read_text(encoding="utf-8", errors="replace") for file in files)
