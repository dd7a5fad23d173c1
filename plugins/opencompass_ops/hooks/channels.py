"""The chats that Airflow's connections name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

if TYPE_CHECKING:
    from opencompass_ops.messages.channels import Channel

Say = Callable[[str], None]


def channels(say: Say) -> list[Channel]:
    """Those whose connections are set.

    :param say: called with a line for each connection that is set and cannot be used.
    """
    from opencompass_ops.messages.channels import LARK_CONNECTION, SLACK_CONNECTION

    found = []
    for name, read in ((LARK_CONNECTION, _lark), (SLACK_CONNECTION, slack)):
        try:
            found.append(read(name))
        except AirflowNotFoundException:
            continue  # not set: nobody wants messages there
        except Exception as error:  # a chat that cannot be had must not cost the run anything
            say(f"no messages to {name}: {type(error).__name__}: {error}")
    return found


def _lark(name: str) -> Channel:
    from opencompass_ops.hooks.lark import LarkHook

    return LarkHook(name).get_conn()


def slack(name: str) -> Channel:
    """The channel of a connection of the Slack provider's type ``slackwebhook``, read by the provider's own hook.

    :raises AirflowNotFoundException: there is no such connection, or it has no token.
    :raises ConfigError: a value of it is wrong.
    """
    from airflow.providers.slack.hooks.slack_webhook import SlackWebhookHook

    from opencompass_ops.messages.channels import slack_channel

    client = SlackWebhookHook(slack_webhook_conn_id=name).get_conn()
    extra = SlackWebhookHook.get_connection(name).extra_dejson
    channel = slack_channel(name, client.url, extra, proxy=client.proxy or "")
    for secret in channel.secrets:
        mask_secret(secret)
    return channel
