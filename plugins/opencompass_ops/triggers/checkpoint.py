"""Wait for a complete checkpoint that is not known yet."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

log = logging.getLogger(__name__)


class NewCheckpointTrigger(BaseTrigger):
    """Looks at a series' place again and again; it starts nothing and writes nothing.

    :param series: name of the series.
    :param known: digests of weights that are not new.
    :param after_step: only later steps are new; None for any.
    :param poll_interval: seconds between two looks.
    """

    def __init__(self, series: str, known: list[str], after_step: int | None, poll_interval: float) -> None:
        super().__init__()
        self.series = series
        self.known = known
        self.after_step = after_step
        self.poll_interval = poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, enough to run in another triggerer."""
        names = ("series", "known", "after_step", "poll_interval")
        path = "opencompass_ops.triggers.checkpoint.NewCheckpointTrigger"
        return (path, {name: getattr(self, name) for name in names})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event: the new checkpoints by step, or what is wrong with the series."""
        from opencompass_ops.errors import OpsError, UnsureError
        from opencompass_ops.hooks.connections import install
        from opencompass_ops.hooks.object_store import keys_of
        from opencompass_ops.series.config import read_series
        from opencompass_ops.series.ledger import READY, Sighting
        from opencompass_ops.series.looking import look
        from opencompass_ops.series.places import open_place

        install()
        seen: dict[str, Sighting] = {}
        while True:
            try:
                # Reading the cluster config starts a process and waits for it.
                series = await asyncio.to_thread(read_series, self.series)
                place = await asyncio.to_thread(open_place, series, keys_of)
                looked = await look(series, place, seen, datetime.now(UTC))
            except UnsureError as error:
                log.warning("%s", error)
            except OpsError as error:
                yield TriggerEvent({"error": str(error)})
                return
            else:
                seen = {one.name: one for one in looked}
                new = [one for one in looked if one.state == READY and one.digest not in self.known]
                new = [one for one in new if self.after_step is None or one.step > self.after_step]
                if new:
                    told = [{"name": one.name, "step": one.step, "digest": one.digest} for one in new]
                    yield TriggerEvent({"checkpoints": told})
                    return
            await asyncio.sleep(self.poll_interval)
