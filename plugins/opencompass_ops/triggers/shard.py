"""Admit, submit or adopt, and wait for one shard's job, without a worker slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TaskSuccessEvent, TriggerEvent
from asgiref.sync import sync_to_async

if TYPE_CHECKING:
    from opencompass_ops.clusters.base import JobStatus
    from opencompass_ops.clusters.narration import Narrator
    from opencompass_ops.jobs import Job
    from opencompass_ops.messages.silence import Silence

_LOOK_SECONDS = 60.0
"""Between two looks at how long a job has been silent."""


class ShardTrigger(BaseTrigger):
    """Ends the task itself on success; everything else wakes a worker, which classifies it.

    It may run twice at once (two triggerers during a redistribution): submitting is idempotent by
    token and waiting has no effects, so the second one adopts.

    :param job: ``Job.to_values()``: everything needed to rebuild the job in any process.
    :param try_number: of the Airflow try that deferred; named when the job is cancelled for it.
    """

    def __init__(self, job: dict[str, Any], try_number: int) -> None:
        super().__init__()
        self.job = job
        self.try_number = try_number
        self._told: asyncio.Task[None] | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class path and arguments, enough to run in another triggerer."""
        return ("opencompass_ops.triggers.shard.ShardTrigger", {"job": self.job, "try_number": self.try_number})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """One event: success with evidence, or what happened instead."""
        from opencompass_ops.clusters.narration import Narrator
        from opencompass_ops.drive import run_job
        from opencompass_ops.hooks.connections import install
        from opencompass_ops.hooks.results import results_url
        from opencompass_ops.messages.silence import Silence

        install()
        job, silence = self._job(), Silence(_now())
        database_url = await sync_to_async(results_url)()
        watch = asyncio.create_task(self._watch(silence), name=f"watch {job.token}")
        say = partial(self._say, Narrator(job.token), silence)
        try:
            outcome = await run_job(job, on_status=say, database_url=database_url)
        finally:
            watch.cancel()
        if self._told:
            await self._told  # so that the last word is the one below
        if outcome.ok:
            yield TaskSuccessEvent(xcoms={"job": {**job.facts, "job_id": outcome.job_id}})
        else:
            yield TriggerEvent(outcome.to_values())

    async def on_kill(self) -> None:
        """Cancel the job because a user cleared, failed or marked the task."""
        from opencompass_ops.drive import cancel_job
        from opencompass_ops.hooks.connections import install

        install()
        if await self._still_deferred():
            # Airflow 3.3.2 calls on_kill also when a trigger moves to another triggerer (apache/airflow#73454).
            self.log.warning("%s goes on: its task is still deferred, another triggerer took over", self._job().token)
            return
        await cancel_job(self._job(), reason=cancelled_for(self.try_number))

    async def _still_deferred(self) -> bool:
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        ti = self.task_instance
        if ti is None:
            return False
        states = await sync_to_async(RuntimeTaskInstance.get_task_states)(
            dag_id=ti.dag_id, map_index=ti.map_index, task_ids=[ti.task_id], run_ids=[ti.run_id]
        )
        return any(str(state) == "deferred" for state in states.get(ti.run_id, {}).values())

    def _job(self) -> Job:
        from opencompass_ops.jobs import Job

        return Job.from_values(self.job)

    async def _watch(self, silence: Silence) -> None:
        """Tell, once, that the job hangs; what is done about it is for people to decide."""
        from opencompass_ops.messages.silence import patience
        from opencompass_ops.notifications.hang import tell_hang

        limit = patience()
        while silence.seconds(_now()) < limit:
            await asyncio.sleep(min(limit / 10, _LOOK_SECONDS))
        words = silence.words(_now())
        self.log.warning("%s hangs: %s", self._job().token, words)
        try:
            await tell_hang(self._job().run_dir, self._job().shard, words, self.task_instance, self.log.info)
        except Exception as error:  # the edge of a task; the job goes on
            self.log.warning("nobody is told that job %s hangs: %s", self._job().token, error)

    def _say(self, narrator: Narrator, silence: Silence, status: JobStatus) -> None:
        silence.hear(status, _now())
        for line in narrator.lines(status):
            self.log.info("%s", line)
        if status.job_id and self._told is None:
            self._told = asyncio.create_task(self._tell(status.job_id), name=f"name job {status.job_id}")

    async def _tell(self, job_id: str) -> None:
        """Put the cluster's job id into the XCom while the job still waits or runs."""
        from airflow.sdk.execution_time.xcom import XCom

        ti = self.task_instance
        if ti is None:
            return
        place = {"dag_id": ti.dag_id, "task_id": ti.task_id, "run_id": ti.run_id, "map_index": ti.map_index}
        try:
            await XCom.aset("job", {**self._job().facts, "job_id": job_id}, **place)
        except Exception as error:  # the edge of a task; the job goes on, and its end tells the id again
            self.log.warning("the id %s of job %s is not in the XCom: %s", job_id, self._job().token, error)


def _now() -> float:
    return asyncio.get_running_loop().time()


def cancelled_for(try_number: int) -> str:
    """The reason noted when Airflow cancels the job of one try."""
    return f"cancelled in Airflow while try {try_number} waited for it"
