"""What LocalOperator, SlurmOperator and DLCOperator share: one mapped instance is one shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.definitions.retry_policy import RetryAction
from airflow.sdk.exceptions import TaskDeferralError, TaskDeferralTimeout

from opencompass_ops.operators.links import JOB_KEY, LOG_KEY, JobLogLink

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import RuntimeTaskInstanceProtocol as RuntimeTaskInstance


class ShardOperator(BaseOperator):
    """Run one shard on a cluster and end with evidence.

    The worker only looks whether the outputs are there already, notes which job it wants and defers;
    admission, submission and waiting happen in the trigger, so no worker slot is held. ``execution_timeout``
    also counts while the task is deferred; then its job is cancelled.

    The XCom ``job`` names cluster, token, run directory and log, and the cluster's job id as soon as it is known.

    :param run_dir: the run directory; its ``plan.json`` tells cluster and limits.
    :param shard: id of the shard; ``shards/{shard}.json`` tells what to do.
    :param title: ``model/part``, what people read in the UI.
    """

    cluster_kind: ClassVar[str]
    template_fields: Sequence[str] = ("run_dir", "shard", "title")
    operator_extra_links = (JobLogLink(),)

    def __init__(self, *, run_dir: str, shard: str, title: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.run_dir = run_dir
        self.shard = shard
        self.title = title

    def execute(self, context: Context) -> dict[str, Any]:
        """Return at once when the outputs are there, else defer to the trigger.

        :raises MissingParts: it is an evaluation, and nothing of what it scores was answered.
        """
        from opencompass_ops.jobs import shard_is_done
        from opencompass_ops.unscorable import refusal

        with self._no_orphan(context):
            if shard_is_done(self.run_dir, self.shard):
                self.log.info("%s: outputs with this fingerprint are there, nothing to run", self.title)
                return {"shard": self.shard, "reused": True}
            hopeless = refusal(self.run_dir, self.shard)
            if hopeless:
                raise hopeless
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
        :raises JobInterrupted: ``execution_timeout`` has passed; the job was cancelled.
        :raises JobRefused: the same, and the job had done nothing new.
        """
        from opencompass_ops.drive import out_of_time
        from opencompass_ops.errors import InfrastructureError

        with self._no_orphan(context):
            try:
                return super().resume_execution(next_method, next_kwargs, context)
            except TaskDeferralTimeout as error:
                message = f"{self.title}: not done within its execution_timeout of {self.execution_timeout}"
                self._cancel("its time in Airflow is over (execution_timeout)")
                raise out_of_time(self.run_dir, self.shard, message) from error
            except TaskDeferralError as error:
                message = f"{self.title}: the trigger failed ({error}); its job goes on and the next try adopts it"
                raise InfrastructureError(message, self._dead_triggers(context)) from error

    def on_kill(self) -> None:
        """Cancel the job when the task is killed while a worker has it, also one that an earlier try submitted."""
        self._cancel("cancelled in Airflow while a worker had its task")

    def _submit_and_wait(self, context: Context) -> NoReturn:
        from opencompass_ops.jobs import job_for
        from opencompass_ops.triggers.shard import ShardTrigger, cancelled_for

        job = job_for(self.run_dir, self.shard)
        ti = context["ti"]
        if _is_first_after_clear(ti, self.retries or 0) and job.is_open:
            # Whoever clears wants a new job. The trigger of the try before cannot tell a clear from a move to another
            # triggerer when this try defers first, so the wish is written here and carried out by this try's trigger.
            job.ask_cancel(cancelled_for(ti.try_number - 1))
        context["task_state_store"].set("job", {"token": job.token, "epoch": job.epoch, "run_dir": self.run_dir})
        ti.xcom_push(key=JOB_KEY, value=job.facts)
        ti.xcom_push(key=LOG_KEY, value=JobLogLink().get_link(self, ti_key=ti))
        self.log.info("%s: waiting for job %s; it writes to %s", self.title, job.token, job.facts["log"])
        trigger = ShardTrigger(job=job.to_values(), try_number=ti.try_number)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=self.execution_timeout)

    def _dead_triggers(self, context: Context) -> tuple[str, ...]:
        """Earlier tries since the start or a clear that ended like this one; no job's history tells of them."""
        store, limit = context["task_state_store"], context["ti"].max_tries
        before: Any = store.get("dead_triggers", default=None) or {}
        count = int(before["count"]) if before.get("max_tries") == limit else 0
        store.set("dead_triggers", {"max_tries": limit, "count": count + 1})
        return ("InfrastructureError",) * count

    @contextmanager
    def _no_orphan(self, context: Context) -> Iterator[None]:
        """Cancel what still runs for this shard when the task fails and nobody tries again.

        Airflow 3.3.2 tells nobody that a task has given up (apache/airflow#72128).
        """
        try:
            yield
        except Exception as error:
            if self._is_last(error, context):
                self._cancel("its task in Airflow has given up", only_submitted=True)
            raise

    def _is_last(self, error: Exception, context: Context) -> bool:
        ti = context["ti"]
        policy = self.retry_policy
        if policy and policy.evaluate(error, ti.try_number, ti.max_tries, context).action is RetryAction.FAIL:
            return True
        return ti.try_number > ti.max_tries

    def _cancel(self, reason: str, *, only_submitted: bool = False) -> None:
        """Cancel the shard's job; what goes wrong is told, for the task ends anyway with a reason of its own."""
        from opencompass_ops.clusters.shell import run_to_end
        from opencompass_ops.drive import cancel_job
        from opencompass_ops.hooks.connections import install
        from opencompass_ops.jobs import job_for

        install()
        try:
            job = job_for(self.run_dir, self.shard)
            if job.is_open or not only_submitted:
                run_to_end(cancel_job(job, reason=reason))
        except Exception as error:
            self.log.warning("%s: it is not known whether its job is stopped: %s", self.title, error)


def _is_first_after_clear(ti: RuntimeTaskInstance, retries: int) -> bool:
    """Whether a user cleared the task since its last try: a clear raises ``max_tries`` by the tries so far."""
    return ti.try_number > 1 and ti.try_number == ti.max_tries - retries + 1
