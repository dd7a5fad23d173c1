"""What sbatch's words mean; the messages are those of Slurm 22.05, seen on a real controller."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters.slurm.submission import Refusal, in_words, refusal

FAILED = "sbatch: error: Batch job submission failed: "


@pytest.mark.parametrize(
    "said",
    [
        FAILED + "Socket timed out on send/recv operation",
        FAILED + "Unable to contact slurm controller (connect failure)",
        FAILED + "Zero Bytes were transmitted or received",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
        "",
        "something nobody has seen",
    ],
)
def test_an_answer_that_was_lost_is_no_refusal(said):
    assert refusal(1, said) is Refusal.UNSURE


@pytest.mark.parametrize("code", [124, 128 + 9, 128 + 15])
def test_a_stopped_sbatch_may_have_submitted(code):
    assert refusal(code, FAILED + "Invalid partition name specified") is Refusal.UNSURE


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (1, FAILED + "Invalid partition name specified"),
        (1, FAILED + "Invalid account or account/partition combination specified"),
        (1, FAILED + "Requested node configuration is not available"),
        (1, FAILED + "Invalid qos specification"),
        (1, "sbatch: error: Memory specification can not be satisfied\n" + FAILED + "Requested node ..."),
        (1, "allocation failure: Requested node configuration is not available"),  # of --test-only
        (255, "sbatch: unrecognized option '--quotatype=spot'\nTry \"sbatch --help\" for more information"),
        (255, "sbatch: error: Invalid --time specification"),
        (
            1,
            "sbatch: error: AssocMaxWallDurationPerJobLimit\n"
            + FAILED
            + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
        ),
    ],
)
def test_what_would_be_refused_again_is_permanent(code, said):
    assert refusal(code, said) is Refusal.PERMANENT


@pytest.mark.parametrize("limit", ["AssocMaxSubmitJobLimit", "QOSMaxSubmitJobPerUserLimit", "AssocGrpSubmitJobsLimit"])
def test_a_used_up_quota_is_worth_waiting_for(limit):
    policy = FAILED + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)"
    assert refusal(1, f"sbatch: error: {limit}\n{policy}") is Refusal.BUSY


@given(st.integers(0, 255), st.text())
def test_every_answer_means_something(code, said):
    assert refusal(code, said) in Refusal


def test_the_message_is_one_line_without_sbatchs_name():
    assert (
        in_words("sbatch: error: Memory too much\nsbatch: error: Batch job failed\n")
        == "Memory too much; Batch job failed"
    )
