"""What Airflow loads at start-up; light, since every component imports it."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from opencompass_ops.operators.links import PREFIX, JobLogLink


async def web_app(scope: Any, receive: Any, send: Any) -> None:
    """The pages, imported when the first one is asked for: only API servers serve them."""
    from opencompass_ops.web import app

    await app(scope, receive, send)


class OpenCompassOpsPlugin(AirflowPlugin):
    """Adds the page of a job's log, and the link to it."""

    name = "opencompass_ops"
    fastapi_apps = [{"app": web_app, "url_prefix": f"/{PREFIX}", "name": "opencompass-ops"}]
    operator_extra_links = [JobLogLink()]
