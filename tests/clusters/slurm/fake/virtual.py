"""An event loop in which time passes only when nobody has anything to do, so hours take no time and no chance."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

Result = TypeVar("Result")


class VirtualLoop(asyncio.SelectorEventLoop):
    """Leaps to the next timer; what other loops give to a thread is done at once, in order."""

    def __init__(self) -> None:
        self._seconds = 0.0
        super().__init__(_Leaping(self))

    def time(self) -> float:
        """Seconds since the beginning of the simulation."""
        return self._seconds

    def leap(self, seconds: float) -> None:
        """Let time pass."""
        self._seconds += seconds

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> asyncio.Future[Any]:
        """Run it now."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


class _Leaping(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("everybody waits, and for nothing that will ever happen")
        self._loop.leap(max(timeout, 0.0))
        return []


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """``asyncio.run`` in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
