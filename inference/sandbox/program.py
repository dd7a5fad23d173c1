"""The process that holds a program and answers what the checker asks of it.

Whatever the program does to this interpreter, it can only change its own answers: no expected value is here.
"""

from __future__ import annotations

import builtins
from typing import Any

from inference.sandbox.wire import Pipe, decode, encode

_LONGEST_MESSAGE = 500


def serve(pipe: Pipe) -> None:
    """Answer until the checker is gone."""
    program = Program()
    while True:
        try:
            question = pipe.receive()
        except EOFError:
            return
        pipe.send(program.answer(question))


class Program:
    """A namespace, and what of it the checker was told of by number."""

    def __init__(self) -> None:
        self._namespace: dict[str, Any] = {}
        self._kept: list[Any] = []

    def answer(self, question: list[Any]) -> dict[str, Any]:
        """``value``, or ``error`` with the names of the exception's classes and its message."""
        action, *arguments = question
        try:
            return getattr(self, f"_do_{action}")(*arguments)  # type: ignore[no-any-return]
        except BaseException as error:  # the program's: SystemExit too is an answer
            return {"error": [kind.__name__ for kind in type(error).__mro__], "message": _message(error)}

    def _do_run(self, source: str, names: list[str]) -> dict[str, Any]:
        """Run the program; tells which of the names it has."""
        exec(compile(source, "<program>", "exec"), self._namespace)  # noqa: S102  # this process is there for that
        found = {name: self._encode(self._namespace[name]) for name in names if name in self._namespace}
        return {"names": found}

    def _do_call(self, number: int, arguments: Any, options: Any) -> dict[str, Any]:
        """Call; what the call changed in its arguments is told too."""
        given, named = self._decode(arguments), self._decode(options)
        value = self._kept[number](*given, **named)
        after = [self._encode(given), self._encode(named)]
        changed = {} if after == [arguments, options] else {"arguments": after}
        return {"value": self._encode(value), **changed}

    def _do_attribute(self, number: int, name: str) -> dict[str, Any]:
        return {"value": self._encode(getattr(self._kept[number], name))}

    def _do_assign(self, number: int, name: str, value: Any) -> dict[str, Any]:
        setattr(self._kept[number], name, self._decode(value))
        return {"value": None}

    def _do_builtin(self, name: str, number: int, arguments: Any) -> dict[str, Any]:
        """``len``, ``iter``, ``str`` ... of a kept value."""
        function = self._item if name == "item" else getattr(builtins, name)
        return {"value": self._encode(function(self._kept[number], *self._decode(arguments)))}

    @staticmethod
    def _item(value: Any, key: Any) -> Any:
        return value[key]

    def _encode(self, value: Any) -> Any:
        return encode(value, self._keep)

    def _decode(self, message: Any) -> Any:
        return decode(message, lambda kept: self._kept[kept[1]])

    def _keep(self, value: Any) -> list[Any]:
        for number, kept in enumerate(self._kept):
            if kept is value:
                return ["kept", number]
        self._kept.append(value)
        return ["kept", len(self._kept) - 1]


def _message(error: BaseException) -> str:
    try:
        return str(error)[:_LONGEST_MESSAGE]
    except BaseException as unspeakable:
        return f"its message raises {type(unspeakable).__name__}"
