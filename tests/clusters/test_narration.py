"""What people read while they wait."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.clusters.narration import Narrator, in_words, progress_line
from opencompass_ops.contract.records import PHASES, Heartbeat

START = Heartbeat("running", 100, 400, "2026-01-01T10:00:00.000+00:00", "", 1000)
RUNNING = JobStatus(JobState.RUNNING, "", None, "7", "n01")


def test_progress_has_items_speed_tokens_and_what_is_left():
    now = Heartbeat("running", 160, 400, "2026-01-01T10:00:30.000+00:00", "", 46_000)
    assert progress_line(now, START) == "160/400 items (40 %), 2 items/s, 1500 tokens/s, 2 min left"


def test_speed_is_measured_in_this_job_only_and_not_told_before_it_is_known():
    assert progress_line(START, START) == progress_line(START) == "100/400 items (25 %)"
    stuck = replace(START, updated_at="2026-01-01T10:10:00.000+00:00")
    assert progress_line(stuck, START) == "100/400 items (25 %)"


def test_a_job_whose_tokens_nobody_counts_is_told_in_items():
    now = replace(START, done=130, updated_at="2026-01-01T10:01:00.000+00:00")
    assert progress_line(now, START) == "130/400 items (32 %), 0.5 items/s, 9 min left"


@pytest.mark.parametrize(
    ("phase", "line"),
    [("starting", "starting"), ("loading", "loading the model"), ("writing", "writing files"), ("done", "")],
)
def test_what_is_no_counting_is_said_in_words(phase, line):
    assert progress_line(replace(START, phase=phase)) == line


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.2, "59 s"), (60, "1 min"), (3570, "1 h 00 min"), (7500, "2 h 05 min"), (360_000, "100 h 00 min")],
)
def test_durations_are_said_as_people_say_them(seconds, words):
    assert in_words(seconds) == words


BEATS = st.builds(
    Heartbeat,
    st.sampled_from([*PHASES, "dreaming"]),
    st.integers(0, 500),
    st.integers(0, 500),
    st.sampled_from(["", "x", "2026-01-01T10:00:00Z", "2026-01-01T10:00:00", "2026-01-01T10:00:09.5+00:00"]),
    tokens=st.integers(0, 9999),
)


@given(BEATS, st.none() | BEATS)
def test_any_heartbeat_is_one_line(beat, since):
    assert "\n" not in progress_line(beat, since)


def test_states_are_told_once_and_lines_of_the_job_always():
    narrator = Narrator("oc-a-e1")
    told = [
        narrator.lines(status)
        for status in (
            JobStatus(JobState.QUEUED, "waiting: Priority", None, "7"),
            RUNNING,
            replace(RUNNING, log="héllo\nagain\n"),
            RUNNING,
            replace(RUNNING, log="again\n"),
            JobStatus(JobState.FAILED, "n01: ended with code 1", 1, "7", "n01", log="last words\n"),
        )
    ]
    assert told == [
        ["oc-a-e1 is queued waiting: Priority (7)"],
        ["oc-a-e1 is running (7 n01)"],
        ["| héllo", "| again"],
        [],
        ["| again"],
        ["| last words", "oc-a-e1 is failed n01: ended with code 1 (7 n01)"],
    ]


def test_progress_is_told_when_there_is_some():
    narrator = Narrator("oc-a-e1")
    beats = [
        replace(START, phase="loading", done=0),
        replace(START, phase="loading", done=0, updated_at="2026-01-01T10:00:02+00:00"),
        START,
        replace(START, updated_at="2026-01-01T10:00:10+00:00"),
        replace(START, done=120, updated_at="2026-01-01T10:00:20+00:00"),
        replace(START, phase="done", done=400, updated_at="2026-01-01T10:01:20+00:00"),
    ]
    narrator.lines(RUNNING)
    assert [narrator.lines(replace(RUNNING, progress=beat)) for beat in beats] == [
        ["oc-a-e1: loading the model"],
        [],
        ["oc-a-e1: 100/400 items (25 %)"],
        [],
        ["oc-a-e1: 120/400 items (30 %), 1 items/s, 5 min left"],
        [],
    ]
