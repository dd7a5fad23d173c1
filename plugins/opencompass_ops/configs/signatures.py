"""What methods of an OpenCompass's classes take, read from its text: nothing is imported or run."""

from __future__ import annotations

import ast
import warnings
from functools import cache
from pathlib import Path

from opencompass_ops.configs.defined import defining_files

_ROOTS = frozenset({"BaseDataset", "BaseEvaluator", "object"})
"""Where a class that says nothing of its own inherits its constructor."""


@cache
def arguments(package: Path, name: str, method: str) -> frozenset[str] | None:
    """Names of the arguments of a method, those of a base class where the class has none of its own.

    :param package: the folder of the package ``opencompass``.
    :param name: of the class; one that several modules define is not known.
    :param method: ``__init__``, or a static ``load`` of a class whose constructor is its base's.
    :returns: None where it takes any argument, or cannot be known.
    """
    found = _class(package, name)
    if found is None:
        return None
    methods = {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}
    if method != "__init__" and "__init__" in methods and name not in _ROOTS:
        return None
    if method in methods:
        return _names(methods[method].args)
    bases = [ast.unparse(base).rpartition(".")[2] for base in found.bases]
    return arguments(package, bases[0], method) if len(bases) == 1 else None


def _class(package: Path, name: str) -> ast.ClassDef | None:
    files = defining_files(package).get(name, ())
    if len(files) != 1:
        return None
    body = _module(files[0])
    return next((node for node in body if isinstance(node, ast.ClassDef) and node.name == name), None)


@cache
def _module(file: Path) -> tuple[ast.stmt, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that are none, which are not ours to mend
        try:
            return tuple(ast.parse(file.read_text(encoding="utf-8", errors="replace")).body)
        except (SyntaxError, ValueError):
            return ()


def _names(given: ast.arguments) -> frozenset[str] | None:
    if given.kwarg is not None:
        return None
    return frozenset(argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)) - {"self"}
