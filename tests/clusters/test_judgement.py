"""What an end means for the next try."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters import judgement
from opencompass_ops.clusters.attempts import Outcome
from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.clusters.judgement import DEVICE, HOST, Facts
from opencompass_ops.contract.records import ExitRecord

S = JobState
TERMINAL = [state for state in JobState if state.is_terminal]


def judge(state: JobState, facts: Facts, *, exit_code: int | None = None, reason: str = "so says Slurm") -> Outcome:
    return judgement.judge("oc-a-e2", 2, JobStatus(state, reason, exit_code, "7", "n01"), facts)


def record(returncode: int, error_type: str = "", error: str = "", *, retryable: bool = True) -> ExitRecord:
    return ExitRecord("oc-a-e2", "7", 0, 2, returncode, {}, error_type, error, retryable)


def before(done: int) -> tuple[Outcome, ...]:
    return (Outcome("oc-a-e1", 1, S.TIMEOUT, error_type="JobInterrupted", done=done),)


GOOD = Facts(problem="", record=record(0))
STOPPED = record(143, "Terminated", "stopped by SIGTERM")


@pytest.mark.parametrize("state", [S.SUCCEEDED, S.FAILED, S.LOST])
def test_complete_evidence_decides_where_the_scheduler_does_not_contradict(state):
    outcome = judge(state, GOOD, exit_code=1)
    assert outcome.ok
    assert (outcome.reason, outcome.error_type, outcome.node, outcome.job_id) == ("", "", "n01", "7")


@pytest.mark.parametrize("state", [state for state in TERMINAL if state not in judgement.UNCONTRADICTED])
def test_a_scheduler_that_contradicts_is_believed(state):
    assert judge(state, Facts(problem="", record=record(0))).state is state


@given(
    st.sampled_from(TERMINAL),
    st.sampled_from(["", "x.json is missing"]),
    st.sampled_from([None, record(0), record(1, "RuntimeError", "bad"), STOPPED]),
    st.integers(0, 9),
    st.sampled_from(["", "CUDA out of memory", "nothing"]),
    st.sampled_from(["", "marked failed by Ann"]),
    st.sampled_from([(), before(0), before(5)]),
    st.sampled_from([None, 0, 1, 75, 127, -9, -15]),
)
def test_without_complete_evidence_nothing_is_a_success_and_every_failure_has_a_class_and_words(
    state, problem, left, done, log, cancel, earlier, code
):
    outcome = judge(state, Facts(problem, left, done, log, cancel, earlier), exit_code=code)
    assert outcome.ok == (not problem and state in judgement.UNCONTRADICTED)
    assert outcome.ok or (outcome.error_type and outcome.reason)
    assert outcome.done == done


@pytest.mark.parametrize(
    ("state", "facts", "code", "error_type", "retryable"),
    [
        (S.NODE_FAIL, Facts("p"), None, "InfrastructureError", True),
        (S.LOST, Facts("p"), None, "InfrastructureError", True),
        (S.LOST, Facts("p", record(0)), None, "InfrastructureError", True),
        (S.REFUSED, Facts("p"), None, "JobRefused", False),
        (S.CANCELLED, Facts("p"), None, "JobCancelled", False),
        (S.FAILED, Facts("p"), -9, "InfrastructureError", True),
        (S.FAILED, Facts("p"), 75, "InfrastructureError", True),
        (S.FAILED, Facts("p"), 127, "JobRefused", False),
        (S.FAILED, Facts("p"), 1, "JobFailed", True),
        (S.FAILED, Facts("p", record(1, "RuntimeError", "x")), 1, "RuntimeError", True),
        (S.FAILED, Facts("p", record(2, "InputProblem", "x", retryable=False)), 2, "InputProblem", False),
        (S.SUCCEEDED, Facts("no exit record"), 0, "JobFailed", True),
        (S.SUCCEEDED, Facts("x.json is missing", record(0)), 0, "JobFailed", True),
    ],
)
def test_each_end_has_its_class(state, facts, code, error_type, retryable):
    outcome = judge(state, facts, exit_code=code)
    assert (outcome.error_type, outcome.retryable) == (error_type, retryable)


@pytest.mark.parametrize(
    ("state", "facts", "cause"),
    [
        (S.OUT_OF_MEMORY, Facts("p"), HOST),
        (S.FAILED, Facts("p", record(1, "MemoryError", "cannot allocate")), HOST),
        (S.FAILED, Facts("p", record(1, "OutOfMemoryError", "out of GPU memory")), DEVICE),
        (S.FAILED, Facts("p", record(1, "RuntimeError", "CUDA error: out of memory")), DEVICE),
        (S.FAILED, Facts("p", log="torch.OutOfMemoryError: CUDA out of memory. Tried"), DEVICE),
    ],
)
def test_whose_memory_was_too_small_is_told_apart(state, facts, cause):
    outcome = judge(state, facts, exit_code=1)
    assert (outcome.error_type, outcome.cause) == ("OutOfMemory", cause)


@pytest.mark.parametrize("state", [S.TIMEOUT, S.PREEMPTED, S.FAILED])
def test_an_interrupted_job_that_did_something_new_goes_on(state):
    outcome = judge(state, Facts("p", STOPPED, done=6, earlier=before(5)))
    assert outcome.error_type == "JobInterrupted"
    assert "6 items are done, 1 new" in outcome.reason


def test_a_time_limit_that_is_too_short_for_one_item_is_not_tried_again():
    outcome = judge(S.TIMEOUT, Facts("p", STOPPED, done=5, earlier=before(5)))
    assert (outcome.error_type, outcome.retryable) == ("JobRefused", False)
    assert "without one new item (5 are done); raise the time limit" in outcome.reason


def test_progress_is_measured_against_the_best_earlier_try_whatever_ended_it():
    earlier = (*before(5), Outcome("oc-a-e2", 2, S.NODE_FAIL, done=0))
    assert judge(S.TIMEOUT, Facts("p", None, done=5, earlier=earlier)).error_type == "JobRefused"


@pytest.mark.parametrize("state", [S.PREEMPTED, S.FAILED])
def test_a_job_preempted_before_it_could_do_anything_costs_the_infrastructure_budget(state):
    outcome = judge(state, Facts("p", STOPPED, done=0))
    assert (outcome.error_type, outcome.retryable) == ("InfrastructureError", True)


@pytest.mark.parametrize("state", [S.FAILED, S.TIMEOUT, S.LOST, S.PREEMPTED])
@pytest.mark.parametrize("left", [None, STOPPED])
def test_a_job_that_ended_because_somebody_wanted_it_is_cancelled_whatever_the_scheduler_says(state, left):
    outcome = judge(state, Facts("p", left, cancel="marked failed by Ann"))
    assert (outcome.state, outcome.error_type, outcome.reason) == (S.CANCELLED, "JobCancelled", "marked failed by Ann")


def test_a_real_failure_beside_a_cancel_stays_a_failure():
    facts = Facts("p", record(1, "RuntimeError", "bad data"), cancel="marked failed by Ann")
    assert judge(S.FAILED, facts).error_type == "RuntimeError"
