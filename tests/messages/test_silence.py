"""When a job counts as hanging."""

from __future__ import annotations

import math

import pytest

from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.contract.records import Heartbeat
from opencompass_ops.messages.silence import VARIABLE, Silence, patience


def running(done: int = 0, log: str = "", beat_at: str = "", phase: str = "running") -> JobStatus:
    return JobStatus(JobState.RUNNING, progress=Heartbeat(phase, done, 9, beat_at), log=log)


def test_a_job_that_waits_or_is_over_does_not_hang():
    silence = Silence(0)
    assert silence.seconds(1e6) == 0
    silence.hear(JobStatus(JobState.QUEUED), 10)
    assert silence.seconds(1e6) == 0
    silence.hear(running(), 20)
    assert silence.seconds(50) == 30
    silence.hear(JobStatus(JobState.SUCCEEDED), 60)
    assert silence.seconds(1e6) == 0


def test_a_heartbeat_that_only_beats_is_silence():
    silence = Silence(0)
    for now in range(0, 3600, 10):
        silence.hear(running(done=3, beat_at=f"second {now}"), now)
    assert silence.seconds(3600) == 3600
    assert "60 min" in silence.words(3600) or "1 h" in silence.words(3600)


@pytest.mark.parametrize(
    "news",
    [running(done=4), running(done=3, log="epoch"), running(done=3, phase="writing"), JobStatus(JobState.RUNNING)],
)
def test_an_item_a_line_or_another_phase_ends_it(news: JobStatus):
    silence = Silence(0)
    silence.hear(running(done=3), 0)
    silence.hear(news, 100)
    assert silence.seconds(130) == 30


@pytest.mark.parametrize(
    ("said", "seconds"), [("", 1800), ("5", 300), ("0", math.inf), ("-1", math.inf), ("soon", 1800)]
)
def test_half_an_hour_unless_said_otherwise(said: str, seconds: float, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, said)
    assert patience() == seconds
