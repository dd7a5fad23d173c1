"""Wait, without a worker slot, for a job that another task submitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseSensorOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class JobSensor(BaseSensorOperator):
    """Succeeds when the job ended with code 0; fails on every other end.

    The XCom ``jobs`` tells state, job id and node.

    :param cluster: name of a cluster config, e.g. ``local``.
    :param token: the job's token, as the submitting task shows it.
    """

    template_fields: Sequence[str] = ("cluster", "token")

    def __init__(self, *, cluster: str, token: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cluster = cluster
        self.token = token

    def execute(self, context: Context) -> NoReturn:
        """Defer until the job is over."""
        from opencompass_ops.resolved import load_cluster
        from opencompass_ops.triggers.job import JobTrigger

        trigger = JobTrigger(load_cluster(self.cluster).to_values(), [self.token])
        self.defer(trigger=trigger, method_name="execute_complete", timeout=self.timeout)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> NoReturn:
        """Read the end.

        :raises JobFailed: the job ended in anything but success.
        """
        raise failure(context, event)


def failure(context: Context, ends: Mapping[str, Mapping[str, str]]) -> Exception:
    """The error that names every job which did not succeed; how all of them ended goes into the XCom ``jobs``."""
    from opencompass_ops.errors import JobFailed

    context["ti"].xcom_push(key="jobs", value=dict(ends))
    told = [
        f"job {job} is {end['state']}{': ' + end['reason'] if end['reason'] else ''}"
        for job, end in ends.items()
        if end["state"] != "succeeded"
    ]
    return JobFailed("\n".join([*told, "its log tells more" if len(told) == 1 else "their logs tell more"]))
