"""The tasks that tell a chat: beside the run's work, never part of its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opencompass_ops.messages.ledger import Entry


class AnnounceOperator(BaseOperator):
    """Tell that a run was planned; see :class:`NotifyOperator` for how it ends."""

    def execute(self, context: Context) -> None:
        """Send what is wanted.

        :raises AirflowFailException: a message could not be delivered.
        """
        from opencompass_ops.notifications.runs import AirflowRun

        _end(AirflowRun(context, self.log.info).tell_start())


class NotifyOperator(BaseOperator):
    """Tell how a run ended: one message for each chat, however many shards failed.

    To be used as a teardown: a teardown that fails is red in the grid, for all to see, and leaves the run's state to
    the tasks before it. What was delivered is never repeated, so *Clear* tries what was not.
    """

    def execute(self, context: Context) -> None:
        """Send what is wanted.

        :raises AirflowFailException: a message could not be delivered.
        """
        from opencompass_ops.notifications.runs import TOLD_KEY, AirflowRun

        store: Any = context["task_state_store"]
        kept = store.get(TOLD_KEY, default=None) or []
        tried = AirflowRun(context, self.log.info).tell_end(kept)
        told = [*kept, *(entry.to_values() for entry in tried)]
        store.set(TOLD_KEY, told)
        context["ti"].xcom_push(key=TOLD_KEY, value=told)
        _end(tried)


def _end(tried: list[Entry]) -> None:
    """Red when something was not delivered."""
    lost = [entry.line for entry in tried if not entry.delivered]
    if lost:
        raise AirflowFailException("; ".join(lost))
