"""What many looks tell together."""

from __future__ import annotations

import asyncio

import pytest

from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.clusters.shell import Answer
from opencompass_ops.clusters.slurm import watching
from opencompass_ops.clusters.slurm.account import Account

TOKEN = "oc-a-e1"
QUEUED = f"7|CANCELLED|None|0|0|n01|gpu|2026-01-01T10:00:00|us|model.{TOKEN}|\n"
PAST = f"7|CANCELLED by 0|0:0|n01|gpu|2026-01-01T10:00:00|us|model.{TOKEN}\n"
LOOK = f"queue - 0 {len(QUEUED)}\n{QUEUED}\nknown {TOKEN} 0 0\n\njob {TOKEN} 0 1\n7\n"


class Site:
    """A shell on which one job was cancelled; ``past`` is what accounting says."""

    past = ""

    async def run(self, script, arguments=(), stdin=b"", *, timeout=60.0) -> Answer:
        if arguments[:1] == ("sacct",):
            return Answer(0, self.past.encode(), b"")
        if "squeue" in arguments:
            return Answer(
                0, f"queue - 0 {len(QUEUED)}\n{QUEUED}\nknown {TOKEN} 0 0\n\njob {TOKEN} 0 1\n7\n".encode(), b""
            )
        return Answer(0, b"", b"")


@pytest.fixture
def account() -> Account:
    return Account(Site(), "")


async def look(account: Account) -> JobStatus:
    return (await watching.statuses(account, [TOKEN], logs=False, umask="022"))[TOKEN]


async def test_a_cancelled_job_is_not_over_before_accounting_had_time_to_say_by_whom(account):
    early = await look(account)
    assert (early.state, early.reason) == (JobState.RUNNING, "cancelled; accounting does not say yet by whom")
    account.shell.past = PAST
    told = await look(account)
    assert (told.state, told.reason) == (JobState.CANCELLED, "n01: cancelled by user id 0")


async def test_a_cancelled_job_is_over_though_accounting_never_says_by_whom(account, monkeypatch):
    monkeypatch.setattr(watching, "_ACCOUNTING_SECONDS", 0.05)
    assert not (await look(account)).state.is_terminal
    await asyncio.sleep(0.06)
    assert (await look(account)).reason == "n01: cancelled; the queue does not say by whom"
