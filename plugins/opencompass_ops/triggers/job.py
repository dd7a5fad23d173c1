"""Wait for jobs on the poller that all shards of their account share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent


class JobTrigger(BaseTrigger):
    """Watches jobs until all are over; it never submits, adopts or cancels.

    :param cluster: ``ClusterConfig.to_values()``.
    :param jobs: tokens, or what the cluster's backend takes for jobs that something else submitted.
    """

    def __init__(self, cluster: dict[str, Any], jobs: list[str]) -> None:
        super().__init__()
        self.cluster = cluster
        self.jobs = jobs

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, enough to run in another triggerer."""
        return ("opencompass_ops.triggers.job.JobTrigger", {"cluster": self.cluster, "jobs": self.jobs})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event: success of all, or how each of them ended."""
        from opencompass_ops.drive import watch_job
        from opencompass_ops.hooks.connections import install

        install()
        ends = await asyncio.gather(*(watch_job(self.cluster, job) for job in self.jobs))
        told: dict[str, Any] = {
            job: {"state": end.state.value, "reason": end.reason, "job_id": end.job_id, "node": end.node}
            for job, end in zip(self.jobs, ends, strict=True)
        }
        good = all(end["state"] == "succeeded" for end in told.values())
        yield TaskSuccessEvent(xcoms={"jobs": told}) if good else TriggerEvent(told)
