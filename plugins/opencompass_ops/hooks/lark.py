"""The connection type ``lark``: a custom bot of Lark (Feishu)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

if TYPE_CHECKING:
    from opencompass_ops.messages.channels import Channel


class LarkHook(BaseHook):
    """Where a bot listens.

    :param lark_conn_id: id of a connection of the type ``lark``.
    """

    conn_name_attr = "lark_conn_id"
    default_conn_name = "opencompass_lark"
    conn_type = "lark"
    hook_name = "Lark (Feishu) bot"

    def __init__(self, lark_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.lark_conn_id = lark_conn_id

    def get_conn(self) -> Channel:
        """The channel that the connection describes; its secrets are masked in logs from now on.

        :raises AirflowNotFoundException: there is no such connection.
        :raises ConfigError: a value of it is missing or wrong.
        """
        from opencompass_ops.messages.channels import lark_channel

        connection = self.get_connection(self.lark_conn_id)
        channel = lark_channel(
            self.lark_conn_id,
            host=connection.host,
            password=connection.password,
            extra=connection.extra_dejson,
        )
        for secret in channel.secrets:
            mask_secret(secret)
        return channel
