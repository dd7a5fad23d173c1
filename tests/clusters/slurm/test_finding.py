"""The sum of queue, accounting and what the job left."""

from __future__ import annotations

import json

import pytest

from opencompass_ops.clusters.base import JobState
from opencompass_ops.clusters.slurm.finding import Finding, Traces
from opencompass_ops.clusters.slurm.rows import Ending, Row
from opencompass_ops.contract.records import Heartbeat

TOKEN = "oc-a-e1"
BEAT = Heartbeat("running", 3, 9, "2026-01-01T10:00:00Z")


def row(job_id: str, state: str, *, token: str = TOKEN, partition: str = "gpu", ending: int | None = None) -> Row:
    code = None if ending is None else Ending(ending)
    return Row(job_id, f"model.{token}", state, "", code, 0, "n01", partition)


def end(job_id: str = "7", returncode: int = 0) -> str:
    return json.dumps({"job_id": job_id, "restart": 0, "returncode": returncode, "why": "", "node": "n01"})


def finding(*rows: Row, log: str = "", **files: str) -> Finding:
    return Finding.of(TOKEN, rows, Traces({"job": "7\n", **files}, log))


def test_what_was_never_submitted_is_unknown_whatever_the_queue_shows():
    assert Finding.of(TOKEN, [row("7", "RUNNING")], None).status.state is JobState.UNKNOWN


def test_progress_and_log_come_with_the_state():
    status = finding(row("7", "RUNNING"), log="a line\n", beat=BEAT.to_json()).status
    assert (status.state, status.progress, status.log) == (JobState.RUNNING, BEAT, "a line\n")


def test_half_a_heartbeat_is_none():
    assert finding(row("7", "RUNNING"), beat="{").status.progress is None


def test_the_holder_of_the_claim_is_the_job_and_a_live_duplicate_is_surplus():
    found = finding(row("7", "RUNNING"), row("8", "RUNNING"), holder="8")
    assert found.status.job_id == "8"
    assert [each.job_id for each in found.choice.surplus] == ["7"]


@pytest.mark.parametrize(
    ("files", "rows", "asks"),
    [
        ({}, [], True),
        ({"end": end()}, [], False),
        ({"cancelled": ""}, [], False),
        ({}, [row("7", "RUNNING")], False),
        ({}, [row("7", "COMPLETED", ending=0)], False),
        ({}, [row("7", "CANCELLED")], True),
        ({"job": ""}, [], False),
    ],
)
def test_accounting_is_asked_only_for_what_nothing_else_tells(files, rows, asks):
    assert finding(*rows, **files).asks_accounting is asks


def test_a_forgotten_job_is_what_accounting_says():
    assert finding().explained([row("7", "FAILED", ending=3)]).status.exit_code == 3


def test_a_job_that_had_the_same_id_before_says_nothing():
    other = row("7", "COMPLETED", token="oc-b-e1", ending=0)
    assert finding().explained([other]).status.state is JobState.UNKNOWN


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", "SUSPENDED"])
def test_a_job_that_only_accounting_believes_alive_is_unknown(state):
    assert finding().explained([row("7", state)]).status.state is JobState.UNKNOWN


def test_who_cancelled_is_learned_from_accounting_and_where_it_was_a_preemption():
    cancelled = finding(row("7", "CANCELLED"))
    by_root = row("7", "CANCELLED by 0", partition="scav")
    assert cancelled.explained([by_root]).status.state is JobState.CANCELLED
    assert cancelled.explained([by_root], frozenset({"scav"})).status.state is JobState.PREEMPTED
    by_user = row("7", "CANCELLED by 1002", partition="scav")
    assert cancelled.explained([by_user], frozenset({"scav"})).status.state is JobState.CANCELLED


def test_a_job_that_was_to_be_cancelled_and_is_gone_is_cancelled_unless_it_had_ended_well():
    assert finding(cancelled="").status.state is JobState.CANCELLED
    assert finding(cancelled="", end=end(returncode=143)).status.state is JobState.CANCELLED
    assert finding(cancelled="", end=end()).status.state is JobState.SUCCEEDED
    assert finding(row("7", "COMPLETING"), cancelled="").status.state is JobState.RUNNING
