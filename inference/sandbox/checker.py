"""The process that runs a test against a program that another process holds.

It compares; what it compares with never leaves it.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from inference.sandbox.equality import TYPE_AWARE_EQUAL, type_aware_equal
from inference.sandbox.wire import BadFrame, Pipe, decode, encode

_LONGEST_MESSAGE = 500


class ProgramEnded(BaseException):
    """The program's process is gone. Not an Exception, so that no test takes it for what the program raised."""


def check(job: dict[str, str], pipe: Pipe) -> dict[str, str]:
    """``outcome`` and ``message`` of a program.

    :param job: ``code``, ``prelude``, ``check`` and ``entry``, as :class:`inference.code_runs.Program` has them.
    :param pipe: to the process that will hold the program.
    """
    try:
        _check(job, Remotes(pipe))
    except AssertionError as error:
        return {"outcome": "wrong_answer", "message": str(error)[:_LONGEST_MESSAGE]}
    except ProgramEnded:
        return {"outcome": "failed", "message": "the program ended before its test did"}
    except BadFrame as error:
        return {"outcome": "failed", "message": f"the program's answer is unusable: {error}"[:_LONGEST_MESSAGE]}
    except BaseException as error:  # of the test, or of the program by way of it
        return {"outcome": "failed", "message": f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]}
    return {"outcome": "pass", "message": ""}


def _check(job: dict[str, str], remotes: Remotes) -> None:
    namespace: dict[str, Any] = {TYPE_AWARE_EQUAL: type_aware_equal}
    exec(compile(job["prelude"], "<prelude>", "exec"), namespace)  # noqa: S102  # the dataset's, in a sandbox too
    namespace.pop(job["entry"], None)
    wanted = names_of(job["check"]) - set(namespace)
    found = without_language(remotes.run(job["code"], sorted(wanted)))
    namespace.update({name: own_module(name, job["check"]) or value for name, value in found.items()})
    exec(compile(job["check"], "<check>", "exec"), namespace)  # noqa: S102  # the dataset's


def names_of(source: str) -> set[str]:
    """Names that a source reads or binds; none where it is no Python."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return set()
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def without_language(found: dict[str, Any]) -> dict[str, Any]:
    """The program's names without those of the language, which keep their meaning: its own ``set`` compares nothing.

    Where it has no other name, the language's is the one that is tested (MBPP asks for a function ``sum``).
    """
    own = {name: value for name, value in found.items() if not hasattr(builtins, name)}
    return own or found


def own_module(name: str, source: str) -> ModuleType | None:
    """The module of the standard library that a source means by a name of the program.

    ``math.isclose`` must be that of the library and not what the program says it is; a function ``string`` is tested.
    """
    if name not in sys.stdlib_module_names:
        return None
    nodes = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute)]
    is_used = any(isinstance(node, ast.Name) and node.id == name for node in nodes)
    return importlib.import_module(name) if is_used else None


class Remotes:
    """What the program holds, as the test sees it."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe

    def run(self, code: str, names: list[str]) -> dict[str, Any]:
        """Have the program run; those of the names that it has.

        :raises BaseException: what it raises, as the nearest class of Python's own.
        """
        found = self._ask("run", code, names)["names"]
        if not isinstance(found, dict):
            raise BadFrame("its names are no table")
        return {name: self._decode(found[name]) for name in names if name in found}

    def call(self, number: int, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Call what the program holds; lists and tables among the arguments change as the call changed them."""
        answer = self._ask("call", number, self._encode(list(arguments)), self._encode(options))
        if "arguments" in answer:
            _updated([list(arguments), options], [self._decode(each) for each in answer["arguments"]])
        return self._decode(answer.get("value"))

    def attribute(self, number: int, name: str) -> Any:
        """An attribute of what the program holds."""
        return self._decode(self._ask("attribute", number, name).get("value"))

    def assign(self, number: int, name: str, value: Any) -> None:
        """Set one."""
        self._ask("assign", number, name, self._encode(value))

    def builtin(self, name: str, number: int, *arguments: Any) -> Any:
        """A function of the language, of what the program holds."""
        return self._decode(self._ask("builtin", name, number, self._encode(list(arguments))).get("value"))

    def _ask(self, *question: Any) -> dict[str, Any]:
        try:
            self._pipe.send(list(question))
            answer = self._pipe.receive()
        except (EOFError, OSError) as error:
            raise ProgramEnded from error
        if not isinstance(answer, dict):
            raise BadFrame("it is no answer")
        if "error" in answer:
            raise _raised(answer["error"], str(answer.get("message", "")))
        return answer

    def _encode(self, value: Any) -> Any:
        return encode(value, self._kept)

    def _decode(self, message: Any) -> Any:
        return decode(message, self._found)

    def _kept(self, value: Any) -> list[Any]:
        if isinstance(value, Remote):
            return ["kept", object.__getattribute__(value, "_number")]
        raise TypeError(f"a program cannot be given a {type(value).__name__}; only plain values travel")

    def _found(self, message: list[Any]) -> Any:
        if message[0] == "kept" and isinstance(message[1], int):
            return Remote(self, message[1])
        raise BadFrame("no value")


class Remote:
    """A value that only the program has. It is equal to nothing but itself, and knows no arithmetic."""

    def __init__(self, remotes: Remotes, number: int) -> None:
        object.__setattr__(self, "_remotes", remotes)
        object.__setattr__(self, "_number", number)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._remotes.call(self._number, arguments, options)

    def __getattr__(self, name: str) -> Any:
        return self._remotes.attribute(self._number, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._remotes.assign(self._number, name, value)

    def __iter__(self) -> Iterator[Any]:
        iterator = self._remotes.builtin("iter", self._number)
        if not isinstance(iterator, Remote):
            raise TypeError("the program's value cannot be iterated over")
        while True:
            try:
                yield next(iterator)
            except StopIteration:
                return

    def __next__(self) -> Any:
        return self._remotes.builtin("next", self._number)

    def __len__(self) -> int:
        return int(self._remotes.builtin("len", self._number))

    def __bool__(self) -> bool:
        return bool(self._remotes.builtin("bool", self._number))

    def __str__(self) -> str:
        return str(self._remotes.builtin("str", self._number))

    __repr__ = __str__

    def __getitem__(self, key: Any) -> Any:
        return self._remotes.builtin("item", self._number, key)


def _updated(before: Any, after: Any) -> Any:
    """``after`` in the objects of ``before``: the test's own lists, tables and sets change and stay themselves."""
    if type(before) is not type(after):
        return after
    if isinstance(before, list):
        before[:] = [*map(_updated, before, after), *after[len(before) :]]
    elif isinstance(before, tuple):
        return tuple(map(_updated, before, after))
    elif isinstance(before, dict):
        changed = {key: _updated(before.get(key), value) for key, value in after.items()}
        before.clear()
        before.update(changed)
    elif isinstance(before, set):
        before.clear()
        before.update(after)
    else:
        return after
    return before


def _raised(classes: Any, message: str) -> BaseException:
    """The exception of the program as the nearest of Python's own; its class is not here."""
    names = classes if isinstance(classes, list) else []
    kinds = (getattr(builtins, name, None) for name in names if isinstance(name, str))
    kind = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseException)), Exception)
    try:
        return kind(message)
    except TypeError:  # UnicodeDecodeError and its like want more than a message
        return Exception(message)
