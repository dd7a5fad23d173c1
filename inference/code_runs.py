"""Programs that models wrote, and what came of running them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from inference.problems import InputProblem


class Outcome(str, Enum):
    """What came of a program, in OpenCompass's words."""

    PASS = "pass"  # noqa: S105  # no password
    WRONG = "wrong_answer"
    TIMEOUT = "timeout"
    FAILED = "failed"


@dataclass(frozen=True)
class Program:
    """:param code: what the model wrote, complete.
    :param check: statements that use what the program defines; a failed assertion is a wrong answer.
    :param prelude: statements that run before the check, where the program cannot change what they define.
    :param entry: a name that the prelude defines too and that must be the program's.
    """

    code: str
    check: str
    prelude: str = ""
    entry: str = ""


@dataclass(frozen=True)
class Verdict:
    """:param message: of what was raised, by the program or by its check."""

    outcome: Outcome
    message: str = ""

    @property
    def passed(self) -> bool:
        """Whether the check went through."""
        return self.outcome is Outcome.PASS


class Sandbox(Protocol):
    """Runs programs where they can do no harm; evaluators with a parameter of this name are given it."""

    @property
    def walls(self) -> object:
        """What keeps them in; its text is recorded with the score."""
        ...

    def run(self, programs: Sequence[Program], seconds: float) -> list[Verdict]:
        """What came of each program, each given so many seconds."""
        ...


def run(sandbox: Sandbox | None, programs: Sequence[Program], seconds: float) -> list[Verdict]:
    """Run programs in the sandbox.

    :raises InputProblem: nobody asked for that.
    """
    if sandbox is None:
        raise InputProblem(
            "its evaluator runs programs that the model wrote, and nobody asked for that; say run_code=sandboxed "
            "(--run-code sandboxed)"
        )
    return sandbox.run(programs, seconds)
