"""The gate of a run, and the promotion of its checkpoint; all but the wiring is free of Airflow."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Asset, AssetAlias, BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from opencompass_ops.gates.record import ANSWER_KEY, PROMOTION_KEY

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opencompass_ops.gates.record import Promotion

PROMOTED = AssetAlias("opencompass_promoted")
"""Every promotion's event hangs on it, beside the asset of its series."""

XCOM_CHARACTERS = 6000
"""Airflow keeps XComs in its metadata database; the whole text stands in the log."""

QUESTION_KEY = "question"
"""XCom of the gate: what a person is told who is to approve that."""


def best_of(series: str) -> Asset:
    """The asset whose events are the promotions of a series; a DAG with it as schedule runs after each.

    What a URI gives a meaning is quoted in it: the name of a series may be a path.
    """
    return Asset(name=f"opencompass_best_{series}", uri=f"checkpoint://{quote(series, safe='')}/best")


def last_promotion(series: str) -> Mapping[str, Any] | None:
    """What the newest event of :func:`best_of` carries; None where nothing was promoted yet."""
    # the context knows only the assets that a task names when its DAG is parsed
    from airflow.sdk.execution_time.context import InletEventsAccessor

    asset = best_of(series)
    newest = list(InletEventsAccessor(asset.name, asset.uri).ascending(False).limit(1))
    return newest[0].extra if newest else None


class GateOperator(BaseOperator):
    """Compare the run's newest checkpoint with its references; a failed gate is a failed task.

    The comparison stands in the log, in ``summary/gate.json`` and, small, in the XCom ``gate``.

    :param plan_task: id of the task that planned.
    """

    def __init__(self, *, plan_task: str = "plan", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan_task = plan_task

    def execute(self, context: Context) -> None:
        """Judge, write, print; then raise when the gate failed and is to be enforced.

        :raises GateFailed: names the datasets.
        """
        from opencompass_ops.errors import GateFailed
        from opencompass_ops.gates.views import gate_text, question_text
        from opencompass_ops.gating import gate
        from opencompass_ops.hooks.results import results_url

        ti = context["ti"]
        planned = ti.xcom_pull(task_ids=self.plan_task)
        if planned["dry_run"]:
            self.log.info("dry run: there is nothing to judge")
            return
        record = gate(planned["run_dir"], database_url=results_url())
        text = gate_text(record)
        self.log.info("%s", text)
        small: dict[str, Any] = {
            "outcome": record.outcome,
            "is_red": record.is_red,
            "headline": record.headline[:2000],
            "text": text[:XCOM_CHARACTERS],
        }
        ti.xcom_push(key="gate", value=small)
        promotion = self._to_promote(record.promotion)
        ti.xcom_push(key=PROMOTION_KEY, value=promotion)
        if record.promotion and promotion:
            ti.xcom_push(key=QUESTION_KEY, value=question_text(record, record.promotion))
        if record.is_red:
            raise GateFailed(record.headline)

    def _to_promote(self, promotion: Promotion | None) -> dict[str, Any] | None:
        """A gate may judge again, after *Clear* or in another run: what is the best already is promoted once."""
        if promotion is None:
            return None
        known, new = last_promotion(promotion.series) or {}, vars(promotion)
        if all(known.get(key) == new[key] for key in ("weights_id", "step")):
            self.log.info("%s is the best of %s already", promotion.model, promotion.series)
            return None
        return new


class ApproveOperator(ApprovalOperator):
    """Ask a person whether the checkpoint is promoted, where the policy wants that; skipped when nothing is to be.

    Without an answer within the days that the policy gives it is rejected.

    :param gate_task: id of the task that judged.
    """

    def __init__(self, *, gate_task: str = "gate", subject: str = "Promote the checkpoint?", **kwargs: Any) -> None:
        kwargs = {"defaults": self.REJECT, "response_timeout": timedelta(days=7), **kwargs}
        super().__init__(subject=subject, **kwargs)
        self.gate_task = gate_task

    def execute(self, context: Context) -> Any:
        """Wait for the answer; pass at once when nobody has to be asked.

        :raises AirflowSkipException: the gate promotes nothing.
        """
        promotion = context["ti"].xcom_pull(task_ids=self.gate_task, key=PROMOTION_KEY)
        if not promotion:
            raise AirflowSkipException("nothing is to be promoted")
        if not promotion["approval"]:
            self.log.info("promotion of %s needs no approval", promotion["model"])
            return None
        self.subject = f"Promote {promotion['version'] or promotion['model']} of {promotion['series']}?"
        self.body = context["ti"].xcom_pull(task_ids=self.gate_task, key=QUESTION_KEY)
        self.response_timeout = timedelta(days=promotion["approval_days"])
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Take the answer, and leave it for who tells how the run ended."""
        from opencompass_ops.messages.digest import Answer

        if event.get("timedout"):
            answer = Answer.EXPIRED
            self.log.warning("nobody has answered in time, so the checkpoint is not promoted; clear gate to ask again")
        else:
            answer = Answer.APPROVED if event.get("chosen_options") == [self.APPROVE] else Answer.REJECTED
        context["ti"].xcom_push(key=ANSWER_KEY, value=answer.value)  # a rejection is raised below
        return super().execute_complete(context, event)


class PromoteOperator(BaseOperator):
    """Tell Airflow that a series has a new best checkpoint: an event of the asset ``checkpoint://SERIES/best``.

    :param gate_task: id of the task that judged.
    """

    def __init__(self, *, gate_task: str = "gate", **kwargs: Any) -> None:
        super().__init__(outlets=[PROMOTED], **kwargs)
        self.gate_task = gate_task

    def execute(self, context: Context) -> dict[str, Any]:
        """Emit the event; it carries model, step, weights and run directory."""
        promotion = context["ti"].xcom_pull(task_ids=self.gate_task, key=PROMOTION_KEY)
        asset = best_of(promotion["series"])
        context["outlet_events"][PROMOTED].add(asset, extra=promotion)
        self.log.info("%s is the best of %s: %s", promotion["model"], promotion["series"], asset.uri)
        return dict(promotion)
