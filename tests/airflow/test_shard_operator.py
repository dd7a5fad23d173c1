"""What a shard's task does with its job: tell about it, adopt it, and never leave it behind."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from opencompass_ops.clusters.attempts import Outcome
from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.records import Heartbeat
from opencompass_ops.contract.spec import Part, ShardSpec
from opencompass_ops.errors import InfrastructureError, JobFailed, JobInterrupted

pytestmark = pytest.mark.airflow

SHARD = "infer-0000"


@pytest.fixture
def run_dir(tmp_path: Path) -> str:
    """A run directory with a plan of one shard."""
    files = LocalFiles(tmp_path / "run")
    part = Part({"abbr": "data"}, None, 0, 1, 1, fingerprint="f", pair_fingerprint="p")
    files.write(layout.shard_spec(SHARD), ShardSpec(SHARD, "infer", {"abbr": "tiny"}, (part,)).to_json())
    cluster = ClusterConfig.from_values("here", {"state_dir": str(tmp_path / "state")}).to_values()
    plan = Plan(
        stamp="20260101_000000", run_dir=str(files.root), instance="i", mode="all", config="c", config_fingerprint="",
        params={}, cluster=cluster, max_num_workers=1, retry=0, models=(), datasets=(), pairs=(), shards=(),
        evaluations=(),
    )  # fmt: skip
    files.write(layout.PLAN, plan.to_json())
    return str(files.root)


@pytest.fixture
def cancelled(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Token and reason of every cancel."""
    seen: list[tuple[str, str]] = []

    async def cancel_job(job: Any, reason: str) -> None:
        seen.append((job.token, reason))

    monkeypatch.setattr("opencompass_ops.drive.cancel_job", cancel_job)
    return seen


def operator(run_dir: str, **kwargs: Any) -> Any:
    from opencompass_ops.operators.retries import ShardRetryPolicy
    from opencompass_ops.operators.slurm import SlurmOperator

    policy = ShardRetryPolicy(ceiling=20)
    return SlurmOperator(
        task_id="infer_slurm",
        run_dir=run_dir,
        shard=SHARD,
        title="tiny/data",
        retries=20,
        retry_policy=policy,
        **kwargs,
    )


def context(try_number: int = 1, retry: int = 0, max_tries: int = 20) -> Any:
    """What Airflow hands to a task; pushed XComs and states are kept."""
    xcoms: dict[str, Any] = {}
    states: dict[str, Any] = {}
    store = SimpleNamespace(set=states.__setitem__, get=lambda key, default: states.get(key, default))
    push = lambda key, value: xcoms.update({key: value})  # noqa: E731
    ti = SimpleNamespace(
        try_number=try_number, max_tries=max_tries, xcom_push=push, xcoms=xcoms,
        dag_id="d", run_id="manual__2026-01-01T00:00:00+00:00", task_id="infer_slurm", map_index=3,
    )  # fmt: skip
    return {"ti": ti, "params": {"retry": retry}, "task_state_store": store}


def deferral(run_dir: str, given: Any, **kwargs: Any) -> Any:
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as caught:
        operator(run_dir, **kwargs).execute(given)
    return caught.value


def submitted(run_dir: str) -> str:
    """As if somebody had begun to submit the shard's job; its token."""
    from opencompass_ops.jobs import job_for

    job = job_for(run_dir, SHARD)
    job.files.write(layout.job(job.token, "request.json"), "{}")
    return job.token


def test_before_the_job_is_known_the_xcom_names_cluster_token_and_log(run_dir):
    given = context()
    trigger = deferral(run_dir, given).trigger
    assert given["ti"].xcoms["job"] == {
        "cluster": "here",
        "token": trigger.job["token"],
        "run_dir": run_dir,
        "shard": SHARD,
        "log": f"{run_dir}/logs/infer/tiny/data.out",
    }


def test_the_link_to_the_jobs_log_is_there_while_the_task_is_deferred(run_dir, monkeypatch):
    from opencompass_ops.operators.links import JobLogLink

    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/sub")
    given = context()
    deferral(run_dir, given)
    place = "dag_id=d&run_id=manual__2026-01-01T00%3A00%3A00%2B00%3A00&task_id=infer_slurm&map_index=3"
    assert given["ti"].xcoms[JobLogLink.xcom_key] == f"https://airflow.example/sub/opencompass-ops/log?{place}"


@pytest.mark.parametrize(
    ("tries", "wish"),
    [
        ({"try_number": 2, "max_tries": 21}, "cancelled in Airflow while try 1 waited for it"),
        ({"try_number": 5, "max_tries": 24}, "cancelled in Airflow while try 4 waited for it"),
        ({"try_number": 2, "max_tries": 20}, ""),
        ({"try_number": 3, "max_tries": 21}, ""),
        ({"try_number": 1, "max_tries": 20}, ""),
    ],
    ids=["cleared", "cleared late", "retried", "retried after a clear", "first"],
)
def test_the_first_try_after_a_clear_wants_another_job_and_a_retry_the_same(run_dir, tries, wish):
    from opencompass_ops.clusters import attempts

    token = submitted(run_dir)
    assert deferral(run_dir, context(**tries)).trigger.job["token"] == token
    assert attempts.cancel_asked(LocalFiles(run_dir), token) == wish


def test_a_clear_before_any_submission_cancels_nothing(run_dir):
    from opencompass_ops.clusters import attempts

    token = deferral(run_dir, context(try_number=2, max_tries=21)).trigger.job["token"]
    assert attempts.cancel_asked(LocalFiles(run_dir), token) == ""


def test_the_execution_timeout_also_counts_while_the_task_is_deferred(run_dir):
    assert deferral(run_dir, context(), execution_timeout=timedelta(hours=2)).timeout == timedelta(hours=2)
    assert deferral(run_dir, context()).timeout is None


def test_a_deferral_that_timed_out_cancels_its_job_and_the_next_one_goes_on(run_dir, cancelled):
    token = submitted(run_dir)
    task = operator(run_dir, execution_timeout=timedelta(hours=2))
    with pytest.raises(JobInterrupted, match="not done within its execution_timeout of 2:00:00; its job was cancelled"):
        task.resume_execution("__fail__", {"error": "Trigger timeout"}, context())
    assert cancelled[0] == (token, "its time in Airflow is over (execution_timeout)")


def test_a_trigger_that_died_leaves_its_job_to_the_next_try(run_dir, cancelled):
    submitted(run_dir)
    with pytest.raises(InfrastructureError, match="its job goes on and the next try adopts it"):
        operator(run_dir).resume_execution("__fail__", {"error": "Trigger failure"}, context())
    assert cancelled == []


def test_triggers_that_die_again_and_again_use_up_the_clusters_budget(run_dir, cancelled):
    from opencompass_ops.clusters.budgets import INFRASTRUCTURE_TRIES

    given = context()

    def dies(try_number: int) -> None:
        given["ti"].try_number = try_number
        with pytest.raises(InfrastructureError):
            operator(run_dir).resume_execution("__fail__", {"error": "Trigger failure"}, given)

    token = submitted(run_dir)
    for try_number in range(1, INFRASTRUCTURE_TRIES):
        dies(try_number)
    assert cancelled == []
    dies(INFRASTRUCTURE_TRIES)
    assert cancelled == [(token, "its task in Airflow has given up")]
    given["ti"].max_tries += INFRASTRUCTURE_TRIES  # somebody cleared it
    dies(INFRASTRUCTURE_TRIES + 1)
    assert len(cancelled) == 1


@pytest.mark.parametrize("last", [context(try_number=21), context(retry=0)], ids=["ceiling", "budget"])
def test_a_task_that_gives_up_cancels_the_job_that_still_runs(run_dir, cancelled, monkeypatch, last):
    token = submitted(run_dir)
    failure = JobFailed("no") if last["ti"].try_number == 1 else OSError("the shared folder is gone")
    monkeypatch.setattr("opencompass_ops.jobs.shard_is_done", lambda *_: (_ for _ in ()).throw(failure))
    with pytest.raises(type(failure)):
        operator(run_dir).execute(last)
    assert cancelled == [(token, "its task in Airflow has given up")]


def test_a_failed_job_that_is_over_is_not_cancelled_when_its_task_gives_up(run_dir, cancelled):
    from opencompass_ops.clusters import attempts

    outcome = Outcome(submitted(run_dir), 1, JobState.FAILED, "no such column", "JobRefused", retryable=False)
    attempts.conclude(LocalFiles(run_dir), outcome)
    with pytest.raises(Exception, match="no such column"):
        operator(run_dir).resume_execution("execute_complete", {"event": outcome.to_values()}, context())
    assert cancelled == []


def test_a_worker_that_is_killed_cancels_also_what_an_earlier_try_submitted(run_dir, cancelled):
    token = submitted(run_dir)
    operator(run_dir).on_kill()
    assert cancelled == [(token, "cancelled in Airflow while a worker had its task")]


def test_a_cancel_that_fails_hides_no_error(run_dir, monkeypatch):
    submitted(run_dir)

    async def cancel_job(job: Any, reason: str) -> None:
        raise OSError("nobody answers")

    monkeypatch.setattr("opencompass_ops.drive.cancel_job", cancel_job)
    with pytest.raises(JobInterrupted):
        operator(run_dir).resume_execution("__fail__", {"error": "Trigger timeout"}, context())


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """XComs that a trigger pushed while it ran."""
    from airflow.sdk.execution_time.xcom import XCom

    seen: list[tuple[str, Any]] = []

    async def aset(key: str, value: Any, **place: Any) -> None:
        seen.append((key, value))

    monkeypatch.setattr(XCom, "aset", aset)
    return seen


def events(run_dir: str, outcome_of: Any, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    from opencompass_ops.jobs import job_for
    from opencompass_ops.triggers.shard import ShardTrigger

    job = job_for(run_dir, SHARD)
    trigger = ShardTrigger(job.to_values(), 1)
    trigger.task_instance = SimpleNamespace(dag_id="d", task_id="t", run_id="r", map_index=0)

    async def run_job(job: Any, on_status: Any, database_url: str) -> Outcome:
        for state in (JobState.QUEUED, JobState.RUNNING):
            on_status(JobStatus(state, job_id="4711"))
        return outcome_of(job)

    async def collect() -> list[Any]:
        return [event async for event in trigger.run()]

    monkeypatch.setattr("opencompass_ops.drive.run_job", run_job)
    return asyncio.run(collect())


def test_the_job_id_is_told_once_while_the_job_runs_and_again_at_its_end(run_dir, pushed, monkeypatch):
    (event,) = events(run_dir, lambda job: Outcome(job.token, 1, JobState.SUCCEEDED, job_id="4711"), monkeypatch)
    ((key, value),) = pushed
    assert (key, value["job_id"], value["cluster"]) == ("job", "4711", "here")
    assert event.xcoms == {"job": value}


def test_what_the_job_prints_and_how_far_it_is_stands_in_the_tasks_log(run_dir, monkeypatch):
    from opencompass_ops.clusters.narration import Narrator
    from opencompass_ops.jobs import job_for
    from opencompass_ops.messages.silence import Silence
    from opencompass_ops.triggers.shard import ShardTrigger

    told: list[str] = []
    trigger = ShardTrigger(job_for(run_dir, SHARD).to_values(), 1)
    monkeypatch.setattr(ShardTrigger, "log", SimpleNamespace(info=lambda text, line: told.append(text % line)))
    status = JobStatus(JobState.RUNNING, progress=Heartbeat("running", 3, 9, ""), log="100 % of it\n")

    async def say() -> None:
        trigger._say(Narrator("oc-a-e1"), Silence(0), status)

    asyncio.run(say())
    assert told == ["| 100 % of it", "oc-a-e1: 3/9 items (33 %)", "oc-a-e1 is running"]


def test_an_xcom_that_cannot_be_written_fails_no_job(run_dir, monkeypatch):
    from airflow.sdk.execution_time.xcom import XCom

    monkeypatch.setattr(XCom, "aset", None)
    failed = Outcome("t", 1, JobState.FAILED, "no", "JobFailed")
    (event,) = events(run_dir, lambda job: failed, monkeypatch)
    assert event.payload == failed.to_values()
