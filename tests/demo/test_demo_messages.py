"""The demo's message: sent where a connection is, and told in its last lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from demo.messages import connections, told
from opencompass_ops.messages.ledger import Entry, RunLedger


def test_only_the_connections_of_chats_reach_the_demo_s_airflow(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AIRFLOW_CONN_OPENCOMPASS_LARK", "{}")
    monkeypatch.setenv("AIRFLOW_CONN_MY_CLUSTER", "{}")
    monkeypatch.delenv("AIRFLOW_CONN_OPENCOMPASS_SLACK", raising=False)
    assert connections() == {"AIRFLOW_CONN_OPENCOMPASS_LARK": "{}"}


def test_the_last_lines_say_what_was_sent_or_how_to_get_it(tmp_path: Path):
    assert "docs/notifications.md" in told(tmp_path)
    RunLedger(str(tmp_path)).add(Entry("opencompass_lark", "end", "k", "success", delivered=True, tries=1))
    assert told(tmp_path) == "message: success to opencompass_lark: delivered"
