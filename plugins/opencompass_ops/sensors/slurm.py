"""Wait, without a worker slot, for Slurm jobs that something else submitted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator

from opencompass_ops.sensors.job import failure

if TYPE_CHECKING:
    from airflow.sdk import Context


class SlurmJobSensor(BaseSensorOperator):
    """Succeeds when all jobs are COMPLETED with code 0; fails on every other end, in words.

    All sensors and shards of one account share a connection and a query. Only jobs of the account that the cluster's
    connection logs in with are seen; one that neither queue nor accounting knows for five minutes counts as lost.

    :param cluster: name of a cluster config of kind ``slurm``.
    :param job_ids: ids as ``sbatch`` prints them, one or several; templated, so another task's XCom may name them.
    :param job_name: in place of ids: the newest job of this name.
    """

    template_fields: Sequence[str] = ("cluster", "job_ids", "job_name")

    def __init__(
        self, *, cluster: str, job_ids: int | str | Sequence[int | str] = (), job_name: str = "", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.cluster = cluster
        self.job_ids = job_ids
        self.job_name = job_name

    def execute(self, context: Context) -> NoReturn:
        """Defer until all jobs are over.

        :raises InputError: the ids or the name are none, or the cluster is no Slurm.
        """
        from opencompass_ops.errors import InputError
        from opencompass_ops.resolved import load_cluster
        from opencompass_ops.triggers.job import JobTrigger

        jobs = self._jobs()
        config = load_cluster(self.cluster)
        if config.kind != "slurm":
            raise InputError(f"cluster {self.cluster!r} is of kind {config.kind!r}; name one of kind 'slurm'")
        trigger = JobTrigger(config.to_values(), jobs)
        self.defer(trigger=trigger, method_name="execute_complete", timeout=self.timeout)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> NoReturn:
        """Read the ends.

        :raises JobFailed: a job ended in anything but success.
        """
        raise failure(context, event)

    def _jobs(self) -> list[str]:
        """Keys of the jobs, as the Slurm backend takes them."""
        from opencompass_ops.errors import InputError

        given = [self.job_ids] if isinstance(self.job_ids, int | str) else list(self.job_ids)
        ids = [str(job_id).strip() for job_id in given if str(job_id).strip()]
        if bool(ids) == bool(self.job_name):
            raise InputError(f"job_ids={self.job_ids!r}, job_name={self.job_name!r}: give one of the two")
        for job_id in ids:
            if not re.fullmatch("[0-9]+", job_id):
                raise InputError(f"job_ids: {job_id!r} is no id; give the number that sbatch --parsable prints")
        return [f"job:{job_id}" for job_id in ids] or [f"name:{self.job_name}"]
