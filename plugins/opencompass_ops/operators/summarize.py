"""The leaf of a run: scores to tables, plots and database; red when something is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class SummarizeOperator(BaseOperator):
    """Summarize whatever came through; the only writer of the results database.

    A run's state comes from its leaf, so this task raises when the plan failed or anything that the
    plan promised is missing. The table stands in its log and, small, in the XCom ``summary``.

    :param plan_task: id of the task that planned.
    """

    def __init__(self, *, plan_task: str = "plan", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan_task = plan_task

    def execute(self, context: Context) -> None:
        """Write, print, store; then raise when the run is not whole.

        :raises BudgetExceeded: the plan failed, or pairs are not scored; one line says which and why.
        """
        from opencompass_ops.errors import BudgetExceeded
        from opencompass_ops.hooks.results import results_url
        from opencompass_ops.summarize import summarize

        ti = context["ti"]
        planned = ti.xcom_pull(task_ids=self.plan_task)
        if not planned:
            raise BudgetExceeded(f"nothing to summarize: task {self.plan_task!r} failed; its log says why")
        if planned["dry_run"]:
            self.log.info("dry run: the plan stands in the log of task %r, nothing was started", self.plan_task)
            return
        report = summarize(planned["run_dir"], database_url=results_url())
        self.log.info("%s", report.text)
        ti.xcom_push(key="summary", value=report.small())
        if report.failures:
            raise BudgetExceeded(report.headline)
