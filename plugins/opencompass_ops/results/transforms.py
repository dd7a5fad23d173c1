"""``transforms`` of summary groups: arithmetic on one score, worked out without running config text as code."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from opencompass_ops.errors import ConfigError

Number = int | float

_LONGEST = 200

_BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    # As floats, so that a tower of powers overflows instead of filling the memory.
    ast.Pow: lambda base, exponent: float(base) ** float(exponent),
}
_UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"abs": abs, "max": max, "min": min, "round": round}


def parse_transform(text: Any) -> Callable[[Number], Number]:
    """The function of ``x`` that an expression like ``min(100, max(0, (1-x)*100))`` means.

    Numbers, ``x``, ``+ - * / // % **``, ``abs``, ``max``, ``min`` and ``round`` are known.

    :raises ConfigError: the expression holds anything else.
    """
    try:
        if not isinstance(text, str) or len(text) > _LONGEST:
            raise ValueError(f"not a text of at most {_LONGEST} characters")
        body = ast.parse(text, mode="eval").body
        _value(body, 1.0, is_check=True)
    except (ValueError, SyntaxError, RecursionError) as error:
        raise ConfigError(
            f"transform {str(text)[:_LONGEST]!r} cannot be used ({error}); write arithmetic on x, abs, max, min, round"
        ) from error
    return lambda x: _value(body, x)


def _value(node: ast.expr, x: Number, *, is_check: bool = False) -> Any:
    """The value at ``x``; a check only asks whether everything in it is known."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return node.value
    if isinstance(node, ast.Name) and node.id == "x":
        return x
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        left, right = (_value(side, x, is_check=is_check) for side in (node.left, node.right))
        return x if is_check else _BINARY[type(node.op)](left, right)
    if isinstance(node, ast.UnaryOp) and type(node.op) in _UNARY:
        return _UNARY[type(node.op)](_value(node.operand, x, is_check=is_check))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _FUNCTIONS:
        given = [_value(argument, x, is_check=is_check) for argument in node.args]
        if node.keywords or not given:
            raise ValueError(f"{node.func.id} takes values only, and at least one")
        return x if is_check else _FUNCTIONS[node.func.id](*given)
    raise ValueError(f"{ast.unparse(node)} is not known")
