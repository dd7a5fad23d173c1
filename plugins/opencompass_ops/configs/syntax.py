"""What mmengine's config syntax forbids, found on the parsed text, so that the message has a line.

mmengine 0.10.7 answers most of these with an assertion or a message without place.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

_PLACEHOLDER = re.compile(r"\{\{\s*(?:file\w+\s*\}\}|\$\w+:|_base_[:.])")

_ANNOTATED = re.compile(r"\s+(?P<name>\w+)\s*:\s*(?P<type>int|float|str|bool|list|dict)\s*=[^=]")
_CALL_LINES = 20
"""So far above the place that Python names an argument of the same call may stand."""


class ConfigProblem(Exception):
    """What is wrong in a config file, at which line, and what to do.

    :param line: counted from 1; 0 when it is not known.
    """

    def __init__(self, path: str, line: int, text: str) -> None:
        super().__init__(text)
        self.path, self.line, self.text = path, line, text

    def __str__(self) -> str:
        """``path:line: text``."""
        return f"{self.path}:{self.line}: {self.text}" if self.line else f"{self.path}: {self.text}"


def parse(path: str, text: str) -> ast.Module:
    """The parsed config.

    :raises ConfigProblem: the text is no Python, or holds what mmengine's lazy syntax forbids.
    """
    try:
        tree = ast.parse(text, path)
    except SyntaxError as error:
        raise ConfigProblem(path, *_explained(error, text)) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ConfigProblem(path, 0, f"cannot be parsed ({error}); it must be Python text") from error
    return tree


def _explained(error: SyntaxError, text: str) -> tuple[int, str]:
    """Line and words of a syntax error; the one that OpenCompass's guide shows itself is told as what it is.

    The guide lists a partitioner's arguments as ``max_task_size: int = 2000``. Python points to the end of such a call.
    """
    line, lines = error.lineno or 0, text.splitlines()
    for number, content in enumerate(lines[:line], start=1):
        found = _ANNOTATED.match(content)
        if found and number > line - _CALL_LINES:
            said = found["name"]
            return number, f"syntax error: '{said}: {found['type']} = ...' is no argument; write {said}=..."
    return line, f"syntax error: {error.msg}; correct the line"


def is_old_style(tree: ast.Module, text: str) -> bool:
    """Whether the config uses ``_base_ = ...`` or ``{{ placeholders }}`` instead of ``read_base``."""
    if any(isinstance(node, ast.With) for node in tree.body):
        return False
    named = (target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets)
    return any(isinstance(t, ast.Name) and t.id == "_base_" for t in named) or bool(_PLACEHOLDER.search(text))


def check(path: str, tree: ast.Module) -> None:
    """Refuse what mmengine cannot read.

    :raises ConfigProblem: with the line and the way to write it instead.
    """
    for node in tree.body:
        if isinstance(node, ast.With) and not _is_read_base(node):
            raise ConfigProblem(
                path, node.lineno, "only 'with read_base():' may stand here; read files with Path(...).read_text()"
            )
    for base in base_imports(path, tree):
        if base.module is None:
            raise ConfigProblem(path, base.lineno, "'from . import x' names no base; write 'from .x import name'")
    inside = {id(node) for node in base_imports(path, tree)}
    for found in ast.walk(tree):
        _check_import(path, found, id(found) in inside)


def base_imports(path: str, tree: ast.Module) -> Iterator[ast.ImportFrom]:
    """The imports inside ``with read_base():``, in order.

    :raises ConfigProblem: something else stands there.
    """
    for block in tree.body:
        if not (isinstance(block, ast.With) and _is_read_base(block)):
            continue
        for node in block.body:
            if isinstance(node, ast.ImportFrom):
                yield node
            elif not isinstance(node, ast.Pass):
                raise ConfigProblem(path, node.lineno, "only 'from base import name' may stand in read_base()")


def line_of_import(tree: ast.Module, name: str) -> int:
    """The line that imports ``name`` from a base; 0 when none does."""
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    return next((node.lineno for node in nodes if any(alias.name == name for alias in node.names)), 0)


def _is_read_base(node: ast.With) -> bool:
    call = node.items[0].context_expr
    return len(node.items) == 1 and isinstance(call, ast.Call) and getattr(call.func, "id", "") == "read_base"


def _check_import(path: str, node: ast.AST, is_base: bool) -> None:
    if isinstance(node, ast.Import) and len(node.names) > 1:
        raise ConfigProblem(path, node.lineno, "several modules in one import; write one import line for each")
    if isinstance(node, ast.ImportFrom) and not is_base and any(alias.name == "*" for alias in node.names):
        raise ConfigProblem(
            path, node.lineno, "'import *' is only for configs; put it into 'with read_base():' or name what you need"
        )
