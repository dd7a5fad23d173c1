"""Each budget, and who may use it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters.budgets import INFRASTRUCTURE_TRIES, MEMORY_RETRIES, may_retry
from opencompass_ops.errors import (
    InfrastructureError,
    JobCancelled,
    JobFailed,
    JobInterrupted,
    JobRefused,
    MissingParts,
    OpsError,
    OutOfMemory,
)


@pytest.mark.parametrize("error", [JobRefused("x"), JobCancelled("x"), MissingParts("x"), OpsError("x"), KeyError("x")])
def test_what_would_happen_again_is_never_tried_again(error):
    assert may_retry(error, tries=1, retry=5)[0] is False


def test_a_failed_job_is_submitted_again_as_often_as_the_run_says():
    ends = [may_retry(JobFailed("x", ("JobFailed",) * n), tries=n + 1, retry=2)[0] for n in range(4)]
    assert ends == [True, True, False, False]


def test_lost_jobs_do_not_use_up_the_retries_of_failed_ones():
    earlier = ("InfrastructureError",) * 3
    assert may_retry(JobFailed("x", earlier), tries=4, retry=1)[0] is True
    assert may_retry(InfrastructureError("x", ("JobFailed",) * 5), tries=6, retry=0)[0] is True


def test_a_cluster_that_always_loses_the_job_is_given_up_in_the_end():
    earlier = ("InfrastructureError",) * (INFRASTRUCTURE_TRIES - 1)
    again, reason = may_retry(InfrastructureError("x", earlier), tries=len(earlier) + 1, retry=2)
    assert not again
    assert str(INFRASTRUCTURE_TRIES) in reason


def test_out_of_memory_has_a_budget_of_its_own():
    ends = [may_retry(OutOfMemory("x", ("OutOfMemory",) * n), tries=n + 1, retry=0)[0] for n in range(5)]
    assert ends == [True] * MEMORY_RETRIES + [False] * 2
    assert may_retry(JobFailed("x", ("OutOfMemory",) * 3), tries=4, retry=1)[0] is True
    assert may_retry(OutOfMemory("x", ("JobFailed",) * 3), tries=4, retry=1)[0] is True


def test_an_interrupted_job_goes_on_as_often_as_it_makes_progress():
    again, reason = may_retry(JobInterrupted("x", ("JobInterrupted",) * 50), tries=51, retry=0)
    assert again
    assert "progress" in reason


def test_interruptions_use_up_no_other_budget():
    earlier = ("JobInterrupted",) * 30
    assert may_retry(JobFailed("x", earlier), tries=31, retry=1)[0] is True
    assert may_retry(InfrastructureError("x", earlier), tries=31, retry=0)[0] is True


def test_a_clear_gives_fresh_budgets():
    earlier = ("JobFailed",) * 7
    assert may_retry(JobFailed("x", earlier), tries=1, retry=1)[0] is True


@given(st.lists(st.sampled_from(["JobFailed", "InfrastructureError", "JobCancelled"]), max_size=30), st.integers(0, 10))
def test_a_shard_that_always_fails_is_never_submitted_more_than_retry_plus_one_times(earlier, retry):
    failures = sum(name == "JobFailed" for name in earlier)
    again, _ = may_retry(JobFailed("x", tuple(earlier)), tries=len(earlier) + 1, retry=retry)
    assert again == (failures + 1 <= retry)
