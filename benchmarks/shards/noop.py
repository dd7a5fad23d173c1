"""Deferrable tasks that do nothing: what remains is Airflow's own time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TaskSuccessEvent


class NoopTrigger(BaseTrigger):
    """Touches a file, waits while the gate is there, and ends the task.

    :param mark: the file; its time is when a real trigger would have begun to submit.
    :param gate: path of the gate.
    """

    def __init__(self, mark: str, gate: str) -> None:
        super().__init__()
        self.mark = mark
        self.gate = gate

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments."""
        return ("benchmarks.shards.noop.NoopTrigger", {"mark": self.mark, "gate": self.gate})

    async def run(self) -> AsyncIterator[TaskSuccessEvent]:
        """One event."""
        Path(self.mark).touch()
        while Path(self.gate).exists():
            await asyncio.sleep(1)
        yield TaskSuccessEvent()


class NoopOperator(BaseOperator):
    """Defers at once.

    :param mark: file that the trigger touches.
    :param gate: path of the gate.
    """

    template_fields = ("mark", "gate")

    def __init__(self, *, mark: str, gate: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mark = mark
        self.gate = gate

    def execute(self, context: Any) -> None:
        """Defer."""
        self.defer(trigger=NoopTrigger(self.mark, self.gate), method_name="execute_complete")

    def execute_complete(self, context: Any, event: Any) -> None:
        """Never called: the trigger ends the task."""
