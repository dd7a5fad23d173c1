"""Airflow's retry policy over the run's budgets."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

if TYPE_CHECKING:
    from airflow.sdk import Context


class ShardRetryPolicy(RetryPolicy):
    """Every resubmission is an Airflow try with its reason; the run's ``retry`` and the budgets decide.

    :param ceiling: the operator's ``retries``, so that tries before a user's clear are not counted.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Ask the budgets; delays are jittered, because mapped tasks that fail together retry together."""
        from opencompass_ops.clusters.budgets import may_retry

        fresh_tries = try_number - max(max_tries - self.ceiling, 0)
        again, reason = may_retry(exception, tries=fresh_tries, retry=_retry(context))
        if not again:
            return RetryDecision.fail(reason=reason)
        return RetryDecision.retry(delay=timedelta(seconds=random.uniform(1, 5)), reason=reason)  # noqa: S311

    def serialize(self) -> dict[str, Any]:
        """Airflow stores only that there is a policy; workers parse the DAG again."""
        return {"ceiling": self.ceiling}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> ShardRetryPolicy:
        """The policy from :meth:`serialize`."""
        return cls(**data)


def _retry(context: Context | None) -> int:
    """What the plan says of the shard's stage; the param where there is no plan yet."""
    from opencompass_ops.errors import PlanError
    from opencompass_ops.liveness import read_plan

    if not context:
        return 0
    task: Any = context.get("task")
    try:
        return read_plan(Path(task.run_dir)).stage_of(task.shard).retry
    except (AttributeError, PlanError):
        return int(dict(context["params"]).get("retry", 0))
