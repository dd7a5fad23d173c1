"""Every word of Slurm means one thing, and nothing unknown is ever a success."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.clusters.base import JobState
from opencompass_ops.clusters.slurm.reasons import Wait, waiting
from opencompass_ops.clusters.slurm.rows import End, Ending, Row
from opencompass_ops.clusters.slurm.states import BASES, FLAGS, is_live, needs_accounting, status_of

DOCS = Path(__file__).parents[3] / "docs" / "slurm_states.md"

CODES = [meaning.code for meaning in {**BASES, **FLAGS}.values() if meaning.code]
ENDINGS = [None, *(Ending(code) for code in (0, 1, 2, 75, 126, 127, 137, 143, 255)), Ending(0, 9), Ending(0, 53)]
REASONS = ["", "None", "Priority", "PartitionConfig", "JobLaunchFailure", "OutOfMemory", "BadConstraints", "Brand New"]
ENDS = [None, End("7", 0, 0), End("7", 0, 1), End("7", 0, 143), End("6", 0, 0)]


def row(state: str, *, reason: str = "", ending: Ending | None = None, restarts: int = 0, node: str = "n01") -> Row:
    return Row("7", "model.oc-a-e1", state, reason, ending, restarts, node)


def test_every_base_flag_exit_code_reason_and_end_is_understood_and_a_success_is_a_completed_zero():
    flags = ["", *(f",{flag}" for flag in FLAGS)]
    for base, flag, ending, reason, end, node in itertools.product(BASES, flags, ENDINGS, REASONS, ENDS, ("", "n01")):
        seen = row(base + flag, reason=reason, ending=ending, node=node)
        status = status_of(seen, end)
        assert status.job_id == "7"
        if status.state is JobState.SUCCEEDED:
            silent = status_of(seen).state is JobState.UNKNOWN and end.returncode == 0
            assert silent or (base == "COMPLETED" and (ending is None or ending.number == 0))
        if status.state not in (JobState.SUCCEEDED, JobState.QUEUED, JobState.RUNNING):
            assert status.reason
        if flag == ",COMPLETING":
            assert status.state is JobState.RUNNING
        if is_live(seen) and status.state.is_terminal:
            assert (base, reason in ("PartitionConfig", "BadConstraints")) == ("PENDING", True)


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_alone_is_what_squeue_shows(flag):
    assert status_of(row(flag)).state is FLAGS[flag].state


@pytest.mark.parametrize("code", CODES)
def test_short_forms_are_the_same_words(code):
    name = next(name for name, meaning in {**BASES, **FLAGS}.items() if meaning.code == code)
    assert status_of(row(code)) == status_of(row(name)) == status_of(row(name.lower()))


@given(st.text(), st.sampled_from(ENDINGS), st.text(), st.integers(0, 9), st.sampled_from(["", "n01"]))
def test_any_words_at_all_raise_nothing_and_the_unknown_is_never_an_end(state, ending, reason, restarts, node):
    seen = row(state, reason=reason, ending=ending, restarts=restarts, node=node)
    status = status_of(seen)
    if status.state is JobState.UNKNOWN:
        assert is_live(seen) or "REVOKED" in state.upper() or "RV" in state.upper()
        assert status.reason


def test_a_state_of_a_later_slurm_is_shown_and_believed_to_be_nothing():
    status = status_of(row("HIBERNATING", ending=Ending(0)))
    assert status.state is JobState.UNKNOWN
    assert "HIBERNATING" in status.reason
    assert "scontrol show job 7" in status.reason
    assert is_live(row("HIBERNATING"))


def test_a_known_state_with_an_unknown_flag_is_not_believed_either():
    assert status_of(row("COMPLETED,HIBERNATING", ending=Ending(0))).state is JobState.UNKNOWN


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (None, JobState.UNKNOWN),
        (End("7", 0, 0), JobState.SUCCEEDED),
        (End("7", 0, 3), JobState.FAILED),
        (End("6", 0, 0), JobState.UNKNOWN),
    ],
)
def test_a_job_nobody_shows_is_what_its_own_end_says_or_unknown(end, state):
    status = status_of(None, end, job_id="7")
    assert status.state is state
    assert status.job_id == "7"


def test_an_end_without_recorded_id_counts():
    assert status_of(None, End("7", 0, 143)).exit_code == -15


def test_the_end_of_an_earlier_start_says_nothing_of_this_one():
    revoked = row("REVOKED", restarts=1)
    assert status_of(revoked, End("7", 0, 0)).state is JobState.UNKNOWN
    assert status_of(revoked, End("7", 1, 0)).state is JobState.SUCCEEDED


@pytest.mark.parametrize("state", ["RUNNING", "COMPLETING", "PENDING"])
def test_a_job_that_said_its_end_is_over_when_slurm_says_so(state):
    assert not status_of(row(state), End("7", 0, 0)).state.is_terminal


def test_the_scheduler_that_says_no_is_not_overruled_by_an_end_of_zero():
    for state in ("TIMEOUT", "NODE_FAIL", "PREEMPTED", "OUT_OF_MEMORY", "CANCELLED by 1002", "FAILED"):
        assert status_of(row(state, ending=Ending(1)), End("7", 0, 0)).state is not JobState.SUCCEEDED


def test_who_cancelled_decides_what_a_cancel_is():
    assert status_of(row("CANCELLED by 1002")).state is JobState.CANCELLED
    assert "1002" in status_of(row("CANCELLED by 1002")).reason
    assert status_of(row("CANCELLED by 1002"), preemptible=True).state is JobState.CANCELLED
    assert status_of(row("CANCELLED by 0")).state is JobState.CANCELLED
    assert status_of(row("CANCELLED by 0"), preemptible=True).state is JobState.PREEMPTED
    assert needs_accounting(row("CANCELLED"))
    assert needs_accounting(row("CA"))
    assert not needs_accounting(row("CANCELLED by 0"))
    assert not needs_accounting(row("PREEMPTED"))


def test_a_killed_job_is_no_success_though_its_code_is_zero():
    status = status_of(row("COMPLETED", ending=Ending(0, 9)))
    assert (status.state, status.exit_code) == (JobState.FAILED, -9)
    assert "SIGKILL" in status.reason


def test_an_exit_code_of_a_shell_is_the_signal_it_stands_for():
    assert status_of(row("FAILED", ending=Ending(137))).exit_code == -9
    assert status_of(row("FAILED", ending=Ending(255))).exit_code == 255


def test_a_killed_batch_script_is_the_clusters_fault_unless_it_had_ended():
    killed = row("FAILED", reason="JobLaunchFailure", ending=Ending(0, 9))
    assert status_of(killed).state is JobState.NODE_FAIL
    assert status_of(killed).node == "n01"
    assert status_of(killed, End("7", 0, 1)).state is JobState.FAILED


def test_a_log_that_cannot_be_written_is_named_with_the_next_step():
    status = status_of(row("FAILED", reason="JobLaunchFailure", ending=Ending(0, 53)))
    assert status.state is JobState.REFUSED
    assert status.reason.startswith("n01: it cannot write its log")
    assert "make the run directory writable" in status.reason


def test_a_requeued_job_waits_again_and_says_so():
    status = status_of(row("PENDING", reason="BeginTime", restarts=1, node=""))
    assert status.state is JobState.QUEUED
    assert "requeued by Slurm (restart 1)" in status.reason


@pytest.mark.parametrize("state", ["REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD"])
def test_a_held_job_asks_for_somebody(state):
    assert "until somebody acts" in status_of(row(state, node="")).reason


IMPOSSIBLE = [
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "PartitionConfig",
    "BadConstraints",
    "DependencyNeverSatisfied",
    "AccountNotAllowed",
    "QOSNotAllowed",
    "InvalidQOS",
    "InvalidAccount",
    "MaxMemPerLimit",
    "ReservationInvalid",
    "ReservationDeleted",
    "JobHeldAdmin",
    "QOSMaxCpuPerJobLimit",
    "QOSMaxGRESPerJob",
    "QOSMaxGRESPerNode",
    "QOSMaxMemoryPerJob",
    "QOSMaxWallDurationPerJobLimit",
    "QOSMinGRES",
    "QOSMinCpuNotSatisfied",
    "AssocMaxCpuPerJobLimit",
    "AssocMaxWallDurationPerJobLimit",
    "AssocMaxGRESPerNode",
    "AssocMaxCpuMinutesPerJobLimit",
    "QOSMaxCpuPerNode",
    "AssocMaxNodePerJobLimit",
    "QOSMaxBillingMinutesPerJob",
]

PASSING = [
    "Priority",
    "Resources",
    "BeginTime",
    "ReqNodeNotAvail",
    "Licenses",
    "Dependency",
    "Singleton",
    "Prolog",
    "QOSGrpGRES",
    "QOSGrpCpuLimit",
    "AssocGrpGRES",
    "AssocGrpCPURunMinutesLimit",
    "AssocGrpSubmitJobsLimit",
    "QOSMaxJobsPerUserLimit",
    "QOSMaxSubmitJobPerUserLimit",
    "QOSMaxGRESPerUser",
    "AssocMaxJobsLimit",
    "AssocMaxSubmitJobLimit",
    "MaxGRESPerAccount",
    "MaxJobsPerAccount",
    "MaxGRESRunMinsPerUser",
    "MaxSubmitJobsPerAccount",
    "PartitionDown",
    "PartitionInactive",
    "Cleaning",
    "Reservation",
]


@pytest.mark.parametrize("reason", IMPOSSIBLE)
def test_what_can_never_start_is_refused_with_the_reason(reason):
    status = status_of(row("PENDING", reason=reason, node=""))
    assert status.state is JobState.REFUSED
    assert reason in status.reason


@pytest.mark.parametrize("reason", [*PASSING, "ReqNodeNotAvail, UnavailableNodes:n[01-02]", "(Priority)", "None", ""])
def test_what_passes_is_waited_for(reason):
    assert waiting(reason).kind is Wait.PASSING
    assert status_of(row("PENDING", reason=reason, node="")).state is JobState.QUEUED


@pytest.mark.parametrize("reason", ["JobHeldUser", "job requeued in held state", "job_requeued_in_held_state"])
def test_what_somebody_holds_is_shown_and_left_alone(reason):
    status = status_of(row("PENDING", reason=reason, node=""))
    assert status.state is JobState.QUEUED
    assert "until somebody acts" in status.reason


def test_a_launch_that_slurm_gave_up_is_the_clusters_fault():
    assert status_of(row("PENDING", reason="launch_failed_requeued_held", node="")).state is JobState.NODE_FAIL


@given(st.text())
def test_a_reason_that_is_not_known_is_shown_and_never_kills(reason):
    found = waiting(reason)
    if found.kind is Wait.UNKNOWN:
        status = status_of(row("PENDING", reason=reason, node=""))
        assert status.state is JobState.QUEUED
        assert reason in status.reason


EVIDENCE: list[tuple[str, Row | None, End | None, bool]] = [
    *((f"`{name}`", row(name), None, False) for name in ("PENDING", "RUNNING", "SUSPENDED")),
    *((f"`PENDING`, reason `{reason}`", row("PENDING", reason=reason, node=""), None, False) for reason in (
        "Priority", "AssocGrpGRES", "PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit",
        "QOSMaxGRESPerJob", "JobHeldUser", "launch failed requeued held", "SomethingNew",
    )),
    ("`PENDING` after a requeue", row("PENDING", reason="BeginTime", restarts=1, node=""), None, False),
    *((f"flag `{flag}`" + (f" (`{FLAGS[flag].code}`)" if FLAGS[flag].code else ""), row(flag), None, False)
      for flag in FLAGS),
    ("`COMPLETED` 0:0", row("COMPLETED", ending=Ending(0)), None, False),
    ("`COMPLETED` 0:9", row("COMPLETED", ending=Ending(0, 9)), None, False),
    ("`FAILED` 1:0", row("FAILED", ending=Ending(1)), None, False),
    ("`FAILED` 75:0", row("FAILED", ending=Ending(75)), None, False),
    ("`FAILED` 127:0", row("FAILED", ending=Ending(127)), None, False),
    ("`FAILED` 143:0", row("FAILED", ending=Ending(143)), None, False),
    ("`FAILED` 0:53", row("FAILED", reason="JobLaunchFailure", ending=Ending(0, 53)), None, False),
    ("`FAILED` 0:9, `JobLaunchFailure`", row("FAILED", reason="JobLaunchFailure", ending=Ending(0, 9)), None, False),
    ("`FAILED` without a node", row("FAILED", reason="BadConstraints", node=""), None, False),
    *((f"`{name}`", row(name), None, False) for name in
      ("TIMEOUT", "DEADLINE", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "CANCELLED")),
    ("`CANCELLED by 1002`", row("CANCELLED by 1002"), None, False),
    ("`CANCELLED by 0`", row("CANCELLED by 0"), None, False),
    ("`CANCELLED by 0`, preemptible partition", row("CANCELLED by 0"), None, True),
    ("a word not listed here", row("HIBERNATING"), None, False),
    ("no row, script ended with 0", None, End("7", 0, 0), False),
    ("no row, script ended with 1", None, End("7", 0, 1), False),
    ("no row, no end", None, None, False),
]  # fmt: skip


def test_the_table_in_the_docs_is_what_the_code_does():
    lines = ["| Slurm's evidence | state | in words |", "|---|---|---|"]
    for what, seen, end, preemptible in EVIDENCE:
        status = status_of(seen, end, job_id="7", preemptible=preemptible)
        lines.append(f"| {what} | {status.state.value} | {status.reason} |")
    table = "\n".join(lines) + "\n"
    assert table in DOCS.read_text(), f"docs/slurm_states.md must hold this table:\n{table}"
