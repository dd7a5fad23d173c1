"""Wait, without a worker slot, for a job that something else submitted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class JobSensor(BaseSensorOperator):
    """Succeeds when the job ended with code 0; fails on every other end.

    :param cluster: name of a cluster config, e.g. ``local``.
    :param token: the job's token, as the submitting task shows it.
    """

    template_fields: Sequence[str] = ("cluster", "token")

    def __init__(self, *, cluster: str, token: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cluster = cluster
        self.token = token

    def execute(self, context: Context) -> None:
        """Defer until the job is over."""
        from opencompass_ops.prepare import load_cluster
        from opencompass_ops.triggers.job import JobTrigger

        values = load_cluster(self.cluster).to_values()
        self.defer(trigger=JobTrigger(values, self.token), method_name="execute_complete", timeout=self.timeout)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> None:
        """Read the end.

        :raises JobFailed: the job ended in anything but success.
        """
        from opencompass_ops.errors import JobFailed

        if event["state"] != "succeeded":
            raise JobFailed(f"job {self.token} is {event['state']}: {event['reason']}; its log tells more")
