"""What LocalOperator, SlurmOperator and DLCOperator share: one mapped instance is one shard."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import TaskDeferralError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opencompass_ops.drive import Job


class ShardOperator(BaseOperator):
    """Run one shard on a cluster and end with evidence.

    The worker only looks whether the outputs are there already, notes which job it wants and defers;
    admission, submission and waiting happen in the trigger, so no worker slot is held.

    :param run_dir: the run directory; its ``plan.json`` tells cluster and limits.
    :param shard: id of the shard; ``shards/{shard}.json`` tells what to do.
    :param title: ``model/part``, what people read in the UI.
    """

    cluster_kind: ClassVar[str]
    template_fields: Sequence[str] = ("run_dir", "shard", "title")

    def __init__(self, *, run_dir: str, shard: str, title: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run_dir = run_dir
        self.shard = shard
        self.title = title
        self._job: Job | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Return at once when the outputs are there, else defer to the trigger."""
        from opencompass_ops.drive import shard_is_done

        if shard_is_done(self.run_dir, self.shard):
            self.log.info("%s: outputs with this fingerprint are there, nothing to run", self.title)
            return {"shard": self.shard, "reused": True}
        self._submit_and_wait(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> NoReturn:
        """Classify what was no success and raise the typed error that the retry policy reads.

        :raises JobError: with the reason and the log's last lines.
        """
        from opencompass_ops.clusters.attempts import Outcome
        from opencompass_ops.drive import error_of
        from opencompass_ops.triggers.shard import cancelled_for

        outcome = Outcome.from_values(event)
        if outcome.reason in [cancelled_for(earlier) for earlier in range(1, context["ti"].try_number)]:
            # Cleared while deferred: this try adopted the job before the earlier try's cancel reached it.
            self.log.info("%s was cancelled for an earlier try; starting a new job", outcome.token)
            self._submit_and_wait(context)
        raise error_of(outcome, self.run_dir, self.shard)

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Resume; a trigger that died says nothing about its job, so the next try adopts it.

        :raises InfrastructureError: instead of Airflow's bare TaskDeferralError.
        """
        from opencompass_ops.errors import InfrastructureError

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralError as error:
            message = f"{self.title}: the trigger failed ({error}); its job goes on and the next try adopts it"
            raise InfrastructureError(message) from error

    def on_kill(self) -> None:
        """Cancel the job when the task is killed while a worker has it."""
        from opencompass_ops.drive import cancel_job

        if self._job is not None:
            asyncio.run(cancel_job(self._job, reason="cancelled in Airflow while a worker had its task"))

    def _submit_and_wait(self, context: Context) -> NoReturn:
        from opencompass_ops.drive import job_for
        from opencompass_ops.triggers.shard import ShardTrigger

        job = self._job = job_for(self.run_dir, self.shard)
        context["task_state_store"].set("job", {"token": job.token, "epoch": job.epoch, "run_dir": self.run_dir})
        self.log.info("%s: waiting for job %s", self.title, job.token)
        trigger = ShardTrigger(job=job.to_values(), try_number=context["ti"].try_number)
        self.defer(trigger=trigger, method_name="execute_complete")
