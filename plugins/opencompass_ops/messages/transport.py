"""HTTP to the services: Lark by httpx, Slack by the client of Slack's own SDK, which Airflow's provider uses too."""

from __future__ import annotations

import http.client
import logging
from typing import Any

import httpx

from opencompass_ops.messages import lark
from opencompass_ops.messages.answers import Answer
from opencompass_ops.messages.channels import Channel
from opencompass_ops.messages.sending import Post

TRY_SECONDS = 8.0
"""Until a single try counts as lost."""

_quiet = logging.getLogger(f"{__name__}.quiet")
_quiet.setLevel(logging.CRITICAL)  # Slack's client would log the webhook's address


def post_for(channel: Channel) -> Post:
    """How a channel is posted to."""
    return _lark(channel) if channel.service == lark.NAME else _slack(channel)


def _lark(channel: Channel) -> Post:
    def post(body: dict[str, Any], seconds: float) -> Answer:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        try:
            with httpx.Client(proxy=channel.proxy or None, timeout=min(seconds, TRY_SECONDS)) as client:
                response = client.post(channel.url, content=lark.encode(body), headers=headers)
        except httpx.HTTPError as error:
            raise OSError(f"{type(error).__name__} {error}".strip()) from error
        return Answer(
            response.status_code, response.text, {key.lower(): value for key, value in response.headers.items()}
        )

    return post


def _slack(channel: Channel) -> Post:
    from slack_sdk import WebhookClient

    def post(body: dict[str, Any], seconds: float) -> Answer:
        limit = max(1, int(min(seconds, TRY_SECONDS)))
        client = WebhookClient(
            channel.url, timeout=limit, proxy=channel.proxy or None, logger=_quiet, retry_handlers=[]
        )
        try:
            response = client.send_dict(body)
        except (http.client.HTTPException, ValueError) as error:  # a broken answer, or none
            raise OSError(f"{type(error).__name__} {error}") from error
        headers = {str(key).lower(): str(value) for key, value in response.headers.items()}
        return Answer(response.status_code, response.body, headers)

    return post
