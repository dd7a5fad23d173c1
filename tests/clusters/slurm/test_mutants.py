"""Each safeguard of ours is needed: with it the schedule ends well, without it the model sees the damage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from inference import claim
from opencompass_ops import drive
from opencompass_ops.clusters import attempts
from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.clusters.framing import Answer
from opencompass_ops.clusters.slurm import account, finding, submitter
from opencompass_ops.contract import evidence
from opencompass_ops.errors import LostError
from tests.clusters.slurm.fake.shells import FakeShell
from tests.clusters.slurm.fake.slurm import Site
from tests.clusters.slurm.fake.world import Setting, Step, play

pytestmark = pytest.mark.process

Patch = pytest.MonkeyPatch


def without(patch: Patch, name: str, *changes: tuple[str, str]) -> None:
    """A remote script with other words in it."""
    text = account.script(name)
    for old, new in changes:
        assert old in text, f"{name}.sh has no {old!r}; correct the mutant"
        text = text.replace(old, new)
    real = account.script
    patch.setattr(account, "script", lambda asked: text if asked == name else real(asked))


def no_lock(patch: Patch) -> None:
    without(patch, "submit", ('flock -w 45 9 || answer UNSURE "another submission holds $state/lock"', ":"))


def no_intent(patch: Patch) -> None:
    without(patch, "submit", ('shared put "$job_dir/slurm.intent" "$(now)"', ":"))


def no_settling(patch: Patch) -> None:
    patch.setattr(submitter, "_SETTLE_SECONDS", 0)


def no_adoption(patch: Patch) -> None:
    without(patch, "submit", ('[ -n "$1" ] || return 0\n', "return 0\n"))


def refused_row_adopted(patch: Patch) -> None:
    without(patch, "submit", ('&& !($2 ~ /^FAILED/ && ($3 == "" || $3 ~ /None/))', ""))


def squeue_error_is_an_empty_queue(patch: Patch) -> None:
    without(patch, "submit", ("|| answer UNSURE \"squeue: $(tr '\\n' ' ' < \"$queue.err\")\"", "|| :"))


def no_count(patch: Patch) -> None:
    without(patch, "submit", ('[ "$alive" -lt "$max" ] || answer FULL "$alive"', ":"))


def no_mark(patch: Patch) -> None:
    without(patch, "cancel", ('date +%s > "$job_dir/slurm.cancelled"', ":"))


def no_claim(patch: Patch) -> None:
    patch.setattr(claim, "take_claim", lambda files, attempt: attempt.job_id)
    real = submitter.job_script
    patch.setattr(submitter, "job_script", lambda *given: real(*given).replace('cat "$oc_job_dir/claim/holder"', ":"))


def lagging_is_done(patch: Patch) -> None:
    real = finding.status_of

    def status_of(row, end=None, **more) -> JobStatus:
        status = real(row, end, **more)
        return status if row or status.state is not JobState.UNKNOWN else JobStatus(JobState.SUCCEEDED)

    patch.setattr(finding, "status_of", status_of)


def lost_is_return_code_0(patch: Patch) -> None:
    real = FakeShell.run

    async def run(self, *given, **more) -> Answer:
        try:
            return await real(self, *given, **more)
        except LostError:
            return Answer(0, b"", b"")

    patch.setattr(FakeShell, "run", run)


def exit_code_0_is_success(patch: Patch) -> None:
    patch.setattr(evidence, "job_problem", lambda files, spec, token: "")


def verdict_ignored(patch: Patch) -> None:
    patch.setattr(drive, "_is_unwanted", lambda job: bool(attempts.cancel_asked(job.files, job.token)))


@dataclass(frozen=True)
class Case:
    """A mutant, a schedule that tells it from the real code, and what the model says of it."""

    mutate: Callable[[Patch], None]
    said: str
    schedule: tuple[Step, ...] = ()
    shards: int = 1
    seconds: float = 10.0
    nodes: int = 2


CASES = [
    Case(no_lock, "beside", (Step(0, "sbatch_is_slow", 7), Step(0, "second_controller")), shards=2),
    Case(no_intent, "was submitted 2 times", (Step(0, "controller_freezes", 3),)),
    Case(no_settling, "was submitted 2 times", (Step(0, "controller_freezes", 3),)),
    Case(
        no_adoption,
        "was submitted 2 times",
        (Step(0, "sbatch_times_out_and_has_submitted"), Step(3, "somebody_cancels")),
        nodes=0,
    ),
    Case(refused_row_adopted, "failed for no reason", (Step(0, "refused_and_nobody_heard"),)),
    Case(squeue_error_is_an_empty_queue, "beside", (Step(2, "squeue_fails", 2),) * 3, shards=2),
    Case(no_count, "beside", shards=2),
    Case(no_mark, "works after its verdict", (Step(0, "controller_freezes", 3), Step(3, "user_cancels"))),
    Case(no_claim, "started more than once", (Step(0, "submitted_twice"), Step(0, "lost_before", 1)), seconds=2),
    Case(lagging_is_done, "failed for no reason", (Step(0, "squeue_lags", 5),) * 3, seconds=60),
    Case(lost_is_return_code_0, "its job 2 is RUNNING", (Step(10, "lost_before"), Step(0, "user_cancels"))),
    Case(exit_code_0_is_success, "is a success with 0 of 4 items", (Step(0, "outputs_vanish"),)),
    Case(verdict_ignored, "works after its verdict", (Step(0, "refused"), Step(0, "second_controller")), shards=2),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.mutate.__name__)
def test_the_model_catches_a_missing_safeguard(case, monkeypatch):
    setting = Setting(Site(nodes=case.nodes), case.shards, seconds=case.seconds)
    report = play(setting, case.schedule)
    assert report.problems == []
    assert {step.fault for step in case.schedule} <= set(report.struck)
    case.mutate(monkeypatch)
    problems = play(setting, case.schedule).problems
    assert any(case.said in problem for problem in problems), problems
