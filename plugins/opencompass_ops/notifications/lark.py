"""``LarkNotifier``: a card in a Lark (Feishu) group, from any callback of any DAG."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from opencompass_ops.hooks.lark import LarkHook

if TYPE_CHECKING:
    from airflow.sdk import Context


class LarkNotifier(BaseNotifier):
    """Post a card through a custom bot, signed where the connection has a secret, within the bot's limits.

    For ``on_failure_callback`` and its like of tasks and DAGs, and for deadline alerts. A message that cannot be
    delivered is a warning in the log and hurts nobody.

    :param title: of the card; templated.
    :param text: below it, one line each; templated.
    :param tone: ``bad`` (red), ``warn``, ``good`` or ``info``.
    :param lark_conn_id: id of a connection of the type ``lark``.
    :param links: label and address of each link below the text; templated.
    """

    template_fields: Sequence[str] = ("title", "text", "links")

    def __init__(
        self,
        *,
        title: str = "{{ dag.dag_id }} {{ run_id }}",
        text: str = "{{ reason | default('', true) }}{{ exception | default('', true) }}",
        tone: str = "bad",
        lark_conn_id: str = LarkHook.default_conn_name,
        links: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.title = title
        self.text = text
        self.tone = tone
        self.lark_conn_id = lark_conn_id
        self.links = links or {}

    def notify(self, context: Context) -> None:
        """Send it."""
        from opencompass_ops.messages.message import plain
        from opencompass_ops.messages.sending import SECONDS
        from opencompass_ops.messages.telling import deliver, render

        try:
            channel = LarkHook(self.lark_conn_id).get_conn()
        except Exception as error:  # whoever has no connection has no message, and nothing else changes
            self.log.warning("no message to %s: %s", self.lark_conn_id, error)
            return
        message = plain(self.title, self.text, self.tone, self.links, channel.language)
        outcome = deliver(channel, render(message, channel), seconds=SECONDS)
        if not outcome.delivered:
            self.log.warning("the message to %s was not delivered: %s", self.lark_conn_id, outcome.reason)

    async def async_notify(self, context: Context) -> None:
        """Send it from a triggerer, whose event loop goes on meanwhile."""
        await asyncio.to_thread(self.notify, context)
