"""Which classes and functions an OpenCompass defines, read from its text: nothing is imported or run."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_PREFIXES = re.compile(r"\bname=['\"](\w+)['\"] *\+")
_DEFINED = re.compile(r"^(?:class|def|async def)\s+(\w+)|^(\w+)\s*(?::[^=\n]+)?=", re.MULTILINE)
OF_OPENCOMPASS = re.compile(r"opencompass(\.\w+)+")
"""The dotted name of a class or function of OpenCompass."""

_REGISTERED = re.compile(
    r"^@(\w+)\.register_module\(([^)]*)\)\s*(?:#.*\s*)?(?:@.*\s+)*(?:class|async def|def)\s+(\w+)", re.MULTILINE
)
_QUOTED = re.compile(r"['\"]([^'\"]+)['\"]")
_REGISTRIES = {
    "model": ("MODELS",),
    "dataset": ("LOAD_DATASET",),
    "retriever": ("ICL_RETRIEVERS",),
    "inferencer": ("ICL_INFERENCERS",),
    "prompt template": ("ICL_PROMPT_TEMPLATES",),
    "evaluator": ("ICL_EVALUATORS", "EVALUATORS"),
    "post-processor": ("TEXT_POSTPROCESSORS",),
    "dict post-processor": ("DICT_POSTPROCESSORS",),
}
"""OpenCompass's registries by what they hold."""


@cache
def defining_files(package: Path) -> dict[str, tuple[Path, ...]]:
    """Names of classes, functions and values at the top level of any module, and the modules that have each.

    :param package: the folder of the package ``opencompass``.
    """
    found: dict[str, dict[Path, None]] = {}
    for file, text in _texts(package).items():
        for first, second in _DEFINED.findall(text):
            found.setdefault(first or second, {})[file] = None
    return {name: tuple(files) for name, files in found.items()}


@cache
def registered_names(package: Path) -> dict[str, frozenset[str]]:
    """By registry (``ICL_EVALUATORS`` ...), the bare names under which a config finds a class or function in it."""
    found: dict[str, set[str]] = {}
    for text in _texts(package).values():
        for registry, said, name in _REGISTERED.findall(text):
            found.setdefault(registry, set()).update(_QUOTED.findall(said) or [name])
    return {registry: frozenset(names) for registry, names in found.items()}


def registers(name: str, what: str, package: Path) -> bool:
    """Whether a bare name is registered as what it is wanted for, or is of a family that is registered in a loop.

    :param what: ``dataset``, ``evaluator``, ``post-processor`` ...
    """
    return name in _of_kind(what, package) or name.startswith(_prefixes(package))


def unregistered_name(name: str, what: str, package: Path) -> str:
    """What is said of a bare name that is not registered: with the nearest ones, or how it is named as a class."""
    near = _nearest(name, _of_kind(what, package))
    if name in defining_files(package):
        hint = "it is defined there, so import it, or write its dotted name"
    else:
        hint = f"did you mean {' or '.join(near)}?" if near else "correct the name, or update OpenCompass"
    return f"{package} registers no {what} {name}; {hint}"


def _of_kind(what: str, package: Path) -> frozenset[str]:
    registered = registered_names(package)
    return frozenset().union(*(registered.get(registry, ()) for registry in _REGISTRIES.get(what, registered)))


def defines(name: str, package: Path) -> bool:
    """Whether the package has a class or function of this name, or registers a family of names that it begins like.

    LawBench's evaluators are registered in a loop, as ``name='LawBenchEvaluator_' + index``.
    """
    return name in defining_files(package) or name.startswith(_prefixes(package))


def unknown_name(name: str, package: Path) -> str:
    """What is said of a name that the package does not define: with the nearest ones."""
    near = nearest_names(name, package)
    hint = f"did you mean {' or '.join(near)}?" if near else "correct the name, or update OpenCompass"
    return f"{package} defines no {name}; {hint}"


def nearest_names(name: str, package: Path) -> list[str]:
    """At most three defined names that are nearly the wanted one."""
    return _nearest(name, defining_files(package))


def _nearest(name: str, known: Iterable[str]) -> list[str]:
    folded = {one.casefold(): one for one in known}
    return [folded[key] for key in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.8)]


@cache
def _prefixes(package: Path) -> tuple[str, ...]:
    return tuple(sorted({prefix for text in _texts(package).values() for prefix in _PREFIXES.findall(text)}))


@cache
def _texts(package: Path) -> dict[Path, str]:
    files = sorted(file for file in package.rglob("*.py") if not file.is_relative_to(package / "configs"))
    return {file: file.read_text(encoding="utf-8", errors="replace") for file in files}
