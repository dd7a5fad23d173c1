"""The demo's chat: whoever has a connection to Lark or Slack gets a message there, and reads here that it was sent."""

from __future__ import annotations

import os
from pathlib import Path

from opencompass_ops.messages.channels import LARK_CONNECTION, SLACK_CONNECTION
from opencompass_ops.messages.ledger import RunLedger


def connections() -> dict[str, str]:
    """The caller's variables that name a chat; the demo's Airflow sees no other ``AIRFLOW_`` variable."""
    names = [f"AIRFLOW_CONN_{connection.upper()}" for connection in (LARK_CONNECTION, SLACK_CONNECTION)]
    return {name: os.environ[name] for name in names if name in os.environ}


def told(run_dir: Path) -> str:
    """One line for each message, or how to get one."""
    lines = [f"message: {entry.line}" for entry in RunLedger(str(run_dir)).entries()]
    return "\n".join(lines) or "No message: no connection to Lark or Slack is set; docs/notifications.md tells how"
