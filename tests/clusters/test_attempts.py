"""Tokens, epochs and verdicts."""

from __future__ import annotations

import json
import re
import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters import attempts
from opencompass_ops.clusters.attempts import Outcome
from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import Heartbeat

SHARDS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,33}[a-z0-9])?", fullmatch=True)
EPOCHS = st.integers(1, 999_999)


@given(st.text(), st.text(), SHARDS, EPOCHS)
def test_a_token_is_a_short_name_that_every_cluster_takes(instance, run_dir, shard, epoch):
    token = attempts.token(instance, run_dir, shard, epoch)
    assert re.fullmatch(r"[a-z0-9-]{1,64}", token)
    assert token == attempts.token(instance, run_dir, shard, epoch)
    assert token.startswith(attempts.group(instance, run_dir) + "-")
    assert layout.safe_name(token) == token


@given(st.tuples(st.text(), st.text(), SHARDS, EPOCHS), st.tuples(st.text(), st.text(), SHARDS, EPOCHS))
def test_other_submissions_have_other_tokens(one, other):
    assert (attempts.token(*one) == attempts.token(*other)) == (one == other)


@pytest.mark.parametrize("shard", ["", "Infer-1", "infer_1", "infer-1-", "-x", "x" * 36, "a/b", "ü"])
def test_a_shard_id_that_cannot_be_part_of_a_token_is_refused(shard):
    with pytest.raises(ValueError, match="shard id"):
        attempts.token("i", "/run", shard, 1)


@pytest.mark.parametrize("epoch", [0, -1, 1_000_000])
def test_an_epoch_out_of_range_is_refused(epoch):
    with pytest.raises(ValueError, match="epoch"):
        attempts.token("i", "/run", "infer-0001", epoch)


def present(files):
    return attempts.current(files, "i", "/run", "infer-0001")


def outcome(attempt, state, **more):
    return Outcome(attempt.token, attempt.epoch, state, **more)


def test_the_first_attempt_is_epoch_one(tmp_path):
    attempt = present(LocalFiles(tmp_path))
    assert (attempt.epoch, attempt.previous) == (1, ())
    assert attempt.token.endswith("-infer-0001-e1")


def test_an_attempt_without_verdict_is_adopted(tmp_path):
    files = LocalFiles(tmp_path)
    attempts.note(files, present(files).token, JobStatus(JobState.FAILED))
    assert present(files).epoch == 1


@given(st.lists(st.sampled_from([JobState.FAILED, JobState.CANCELLED, JobState.LOST, JobState.TIMEOUT]), max_size=12))
def test_every_verdict_without_success_raises_the_epoch_by_one(tmp_path_factory, states):
    files = LocalFiles(tmp_path_factory.mktemp("run"))
    for state in states:
        attempts.conclude(files, outcome(present(files), state, error_type="X", reason="y", retryable=False))
    attempt = present(files)
    assert attempt.epoch == len(states) + 1
    assert [(before.epoch, before.state) for before in attempt.previous] == list(enumerate(states, 1))


def test_other_shards_and_foreign_names_do_not_matter(tmp_path):
    files = LocalFiles(tmp_path)
    mine = present(files).token
    for name in (f"{mine}0x", f"{mine[:-1]}x", "stray", attempts.token("i", "/run", "infer-0001-e1", 7)):
        files.write(layout.job(name, "x"), "")
    assert present(files).epoch == 1
    files.write(layout.job(attempts.token("i", "/run", "infer-0001", 10), "x"), "")
    assert present(files).epoch == 10


def test_a_state_is_noted_once_until_it_changes(tmp_path):
    files = LocalFiles(tmp_path)
    for state in ("queued", "running", "running", "running", "failed", "running"):
        attempts.note(files, "oc-a-e1", JobStatus(JobState(state), "why"))
    lines = [json.loads(line) for line in files.read(layout.history("oc-a-e1")).splitlines()]
    assert [line["state"] for line in lines] == ["queued", "running", "failed", "running"]
    assert all(line["time"].endswith("+00:00") for line in lines)


def test_the_same_verdict_twice_is_written_once(tmp_path):
    files = LocalFiles(tmp_path)
    for _ in range(2):
        attempts.conclude(files, Outcome("oc-a-e1", 1, JobState.FAILED, "why"))
    assert len(files.read(layout.history("oc-a-e1")).splitlines()) == 1


def test_a_cancel_never_overturns_a_success_but_bad_evidence_does(tmp_path):
    files = LocalFiles(tmp_path)
    success = Outcome("oc-a-e1", 1, JobState.SUCCEEDED)
    cancelled = Outcome("oc-a-e1", 1, JobState.CANCELLED)
    attempts.conclude(files, success)
    attempts.conclude(files, cancelled)
    assert attempts.verdict(files, "oc-a-e1") == success
    files.append(layout.history("oc-a-e1"), json.dumps({"verdict": cancelled.to_values()}))  # two observers at once
    assert attempts.verdict(files, "oc-a-e1") == success
    attempts.conclude(files, Outcome("oc-a-e1", 1, JobState.FAILED, "file damaged"))
    assert attempts.verdict(files, "oc-a-e1").state is JobState.FAILED


@pytest.mark.parametrize("state", [JobState.LOST, JobState.FAILED, JobState.TIMEOUT])
def test_a_cancel_that_comes_after_another_end_changes_nothing(tmp_path, state):
    files = LocalFiles(tmp_path)
    first = Outcome("oc-a-e1", 1, state, "why")
    for outcome in (first, Outcome("oc-a-e1", 1, JobState.CANCELLED)):
        attempts.conclude(files, outcome)
    assert attempts.verdict(files, "oc-a-e1") == first


def test_a_verdict_of_an_older_release_is_read(tmp_path):
    files = LocalFiles(tmp_path)
    old = {"token": "oc-a-e1", "epoch": 1, "state": "lost", "reason": "gone", "error_type": "InfrastructureError"}
    files.append(layout.history("oc-a-e1"), json.dumps({"verdict": {**old, "retryable": True, "job_id": "7"}}))
    outcome = attempts.verdict(files, "oc-a-e1")
    assert (outcome.state, outcome.job_id, outcome.node, outcome.done) == (JobState.LOST, "7", "", 0)


def test_progress_and_log_do_not_swell_the_history(tmp_path):
    files = LocalFiles(tmp_path)
    beat = Heartbeat("running", 3, 9, "2026-01-01T00:00:00Z")
    attempts.note(files, "oc-a-e1", JobStatus(JobState.RUNNING, "", None, "7", "n01", beat, "a long log"))
    [line] = [json.loads(line) for line in files.read(layout.history("oc-a-e1")).splitlines()]
    assert set(line) == {"time", "state", "reason", "exit_code", "job_id", "node"}


def test_a_success_after_a_cancel_counts(tmp_path):
    files = LocalFiles(tmp_path)
    attempts.conclude(files, Outcome("oc-a-e1", 1, JobState.CANCELLED))
    attempts.conclude(files, Outcome("oc-a-e1", 1, JobState.SUCCEEDED))
    assert attempts.verdict(files, "oc-a-e1").ok


@given(st.binary(max_size=60))
def test_a_torn_history_line_is_skipped(tmp_path_factory, garbage):
    files = LocalFiles(tmp_path_factory.mktemp("run"))
    ended = Outcome("oc-a-e1", 1, JobState.LOST, "gone")
    attempts.conclude(files, ended)
    path = files.path(layout.history("oc-a-e1"))
    path.write_bytes(path.read_bytes() + garbage)
    assert attempts.verdict(files, "oc-a-e1") == ended
    attempts.cancel_asked(files, "oc-a-e1")


@given(st.text(string.printable, min_size=1))
def test_who_asked_for_a_cancel_is_remembered(tmp_path_factory, reason):
    files = LocalFiles(tmp_path_factory.mktemp("run"))
    assert attempts.cancel_asked(files, "oc-a-e1") == ""
    attempts.ask_cancel(files, "oc-a-e1", reason)
    assert attempts.cancel_asked(files, "oc-a-e1") == reason


def test_what_slurm_put_back_into_its_queue_did_not_run_meanwhile(tmp_path):
    files = LocalFiles(tmp_path)
    at = [datetime(2026, 1, 31, 12, minute, tzinfo=UTC) for minute in range(6)]
    said = [{"state": state} for state in ("queued", "running", "queued", "running", "unknown")]
    said += [{"verdict": Outcome("oc-a-e1", 1, JobState.SUCCEEDED).to_values()}]
    for time, line in zip(at, said, strict=True):
        files.append(layout.history("oc-a-e1"), json.dumps({"time": time.isoformat(), **line}))
        if time == at[4]:
            assert attempts.ran(files, "oc-a-e1") == [(at[1], at[2]), (at[3], None)]
    attempts.conclude(files, Outcome("oc-a-e1", 1, JobState.FAILED, "file damaged"))
    assert attempts.ran(files, "oc-a-e1") == [(at[1], at[2]), (at[3], at[5])]
    assert attempts.ran(files, "oc-a-e2") == []


@pytest.mark.parametrize(("silent", "ran"), [(90, 30), (None, 120), (300, 0), (-60, 120)])
def test_what_was_put_back_while_nobody_looked_ran_until_its_last_sign_of_life(tmp_path, silent, ran):
    files, now = LocalFiles(tmp_path), datetime.now(UTC)
    begun = now - timedelta(minutes=120)
    files.append(layout.history("oc-a-e1"), json.dumps({"time": begun.isoformat(), "state": "running"}))
    if silent is not None:  # by the clock of its node, which may be wrong
        sign = (now - timedelta(minutes=silent)).isoformat()
        files.write(layout.heartbeat("oc-a-e1"), Heartbeat("running", 3, 9, sign).to_json())
    attempts.note(files, "oc-a-e1", JobStatus(JobState.QUEUED))
    files.write(layout.heartbeat("oc-a-e1"), Heartbeat("starting", 3, 9, now.isoformat()).to_json())
    [(first, last)] = attempts.ran(files, "oc-a-e1")
    assert first == begun
    assert (last - first).total_seconds() == pytest.approx(ran * 60, abs=5)
