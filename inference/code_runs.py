"""Programs that models wrote, and what came of running them.

Running them needs a sandbox, because a model may write anything. :data:`SANDBOXES` is where one is put: a
callable that takes programs and seconds for each and returns their outcomes in order. Until one is there,
evaluations that run code are not native, and OpenCompass scores them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from inference.problems import NotNative


class Outcome(str, Enum):
    """What came of a program, in OpenCompass's words."""

    PASS = "pass"  # noqa: S105  # no password
    WRONG = "wrong_answer"
    TIMEOUT = "timeout"
    FAILED = "failed"


@dataclass(frozen=True)
class Program:
    """:param code: what the model wrote, complete.
    :param check: statements that run after it in the same namespace; a failed assertion is a wrong answer.
    """

    code: str
    check: str


Sandbox = Callable[[Sequence[Program], float], list[Outcome]]

SANDBOXES: list[Sandbox] = []
"""At most one, put there by the module that brings it."""


def needs_sandbox(options: dict[str, Any]) -> None:
    """The requirement of evaluators that run code.

    :raises NotNative: there is no sandbox.
    """
    if not SANDBOXES:
        raise NotNative("it runs code that models wrote, and there is no sandbox for that yet")


def run(programs: Sequence[Program], seconds: float) -> list[Outcome]:
    """Run programs, each for so many seconds at most.

    :raises NotNative: there is no sandbox.
    """
    needs_sandbox({})
    return SANDBOXES[0](programs, seconds)
