"""Wrong programs made of right ones: one small change each, the same ones every time."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_COMPARED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
_COMPUTED = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Mod: ast.FloorDiv}


def mutants(prompt: str, solution: str, count: int = 3) -> list[str]:
    """Completions of a HumanEval prompt, each with one change to the solution, spread over it.

    Each is a whole program that defines the function anew after the prompt's.
    """
    source = f"{prompt}{solution}"
    changes = sum(1 for _ in _changes(ast.parse(source), prompt.count("\n")))
    wanted = [round(number * (changes - 1) / max(count - 1, 1)) for number in range(count)]
    return [f"    pass\n\n\n{_changed(source, prompt.count(chr(10)), number)}\n" for number in wanted]


def _changed(source: str, after: int, number: int) -> str:
    tree = ast.parse(source)
    for place, change in enumerate(_changes(tree, after)):
        if place == number:
            change()
            break
    return ast.unparse(ast.fix_missing_locations(tree))


def _changes(tree: ast.AST, after: int) -> Iterator[object]:
    """Every change of code below the line ``after``, in the order of the source, not yet made."""
    nodes = [node for node in ast.walk(tree) if getattr(node, "lineno", 0) > after]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset, type(node).__name__)):
        yield from _changes_of(node)


def _changes_of(node: ast.AST) -> Iterator[object]:
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARED:
        yield lambda: node.ops.__setitem__(0, _COMPARED[type(node.ops[0])]())
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _COMPUTED:
        yield lambda: setattr(node, "op", _COMPUTED[type(node.op)]())
    if isinstance(node, ast.Constant) and type(node.value) in (int, bool):
        yield lambda: setattr(node, "value", not node.value if isinstance(node.value, bool) else node.value + 1)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield lambda: setattr(node, "value", node.value + "x")
    if isinstance(node, ast.Return) and node.value is not None:
        yield lambda: setattr(node, "value", ast.Constant(None))
