"""Wait, without a worker slot, for a new and complete checkpoint of a series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class NewCheckpointSensor(BaseSensorOperator):
    """Succeeds when the series' place holds a complete checkpoint that no evaluation was begun of.

    Returns ``[{"name", "step", "digest"}, ...]`` by step. It begins no evaluation: the series' DAG does.
    ``poke_interval`` is the time between two looks, ``timeout`` how long to wait at most.

    :param series: name of the series.
    :param after_step: only later steps count; templated, so another task's XCom may say it.
    """

    template_fields: Sequence[str] = ("series", "after_step")

    def __init__(self, *, series: str, after_step: int | str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.series = series
        self.after_step = after_step

    def execute(self, context: Context) -> NoReturn:
        """Defer until there is one.

        :raises InputError: there is no such series, or something in it is wrong.
        """
        from opencompass_ops.hooks.results import results_url
        from opencompass_ops.series.config import read_series
        from opencompass_ops.series.ledger import Ledger
        from opencompass_ops.triggers.checkpoint import NewCheckpointTrigger

        series = read_series(self.series)
        with Ledger.open(results_url()) as ledger:
            known = sorted({row.digest for row in ledger.evaluations(series.name)})
        after = int(self.after_step) if self.after_step not in (None, "", "None") else None
        trigger = NewCheckpointTrigger(series.name, known, after, self.poke_interval)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=self.timeout)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> list[dict[str, Any]]:
        """The new checkpoints.

        :raises InputError: something in the series is wrong.
        """
        from opencompass_ops.errors import InputError

        if "error" in event:
            raise InputError(str(event["error"]))
        found: list[dict[str, Any]] = event["checkpoints"]
        for one in found:
            self.log.info("%s is complete and new", one["name"])
        return found
