"""Wait for one token on the poller that all shards of its cluster share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent


class JobTrigger(BaseTrigger):
    """Watches a job; it never submits, adopts or cancels.

    :param cluster: ``ClusterConfig.to_values()``.
    :param token: the job's token.
    """

    def __init__(self, cluster: dict[str, Any], token: str) -> None:
        super().__init__()
        self.cluster = cluster
        self.token = token

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, enough to run in another triggerer."""
        return ("opencompass_ops.triggers.job.JobTrigger", {"cluster": self.cluster, "token": self.token})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event with the job's terminal state."""
        from opencompass_ops.drive import watch_job
        from opencompass_ops.hooks.connections import install

        install()
        status = await watch_job(self.cluster, self.token)
        yield TriggerEvent({"state": status.state.value, "reason": status.reason})
