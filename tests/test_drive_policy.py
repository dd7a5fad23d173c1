"""What the driver makes of a cluster that cannot be reached, loses jobs or shows files late; on a scripted cluster."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from opencompass_ops import drive, jobs
from opencompass_ops.clusters import attempts, poller
from opencompass_ops.clusters.attempts import Outcome
from opencompass_ops.clusters.base import Admission, JobRequest, JobState, JobStatus
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.contract import codec, layout, variables
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.records import ExitRecord, Heartbeat, Manifest
from opencompass_ops.contract.spec import Part, ShardSpec
from opencompass_ops.errors import InfrastructureError, JobInterrupted, LostError, UnreachableError, UnsureError
from opencompass_ops.jobs import Job
from opencompass_ops.results.rows import UsageRow
from opencompass_ops.results.store import Store

SHARD = "infer-0000"
PART = Part({"abbr": "data"}, None, 0, 1, 1, fingerprint="f", pair_fingerprint="p")


class Scripted:
    """A cluster that gives one answer of a list to each call; an exception is raised."""

    def __init__(self, **answers: list[object]) -> None:
        self.answers = {"find": [None], "submit": [Admission.ACCEPTED], "cancel": [None], **answers}
        self.calls: list[str] = []

    def _next(self, name: str) -> object:
        self.calls.append(name)
        answers = self.answers[name]
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def find(self, token: str) -> object:
        return self._next("find")

    async def submit(self, request: JobRequest) -> object:
        self.request = request
        return self._next("submit")

    async def cancel(self, tokens: Sequence[str]) -> None:
        self._next("cancel")

    async def poll(self, tokens: Sequence[str]) -> Mapping[str, object]:
        return dict.fromkeys(tokens, self._next("poll"))


@pytest.fixture
def job(tmp_path, monkeypatch) -> Job:
    monkeypatch.setattr(drive, "_FIRST_PAUSE", 0.01)
    config = ClusterConfig.from_values("far", {"kind": "slurm", "poll_interval": 0.1})
    files = LocalFiles(tmp_path)
    spec = ShardSpec(SHARD, "infer", {"abbr": "tiny"}, (PART,))
    files.write(layout.shard_spec(SHARD), spec.to_json())
    plan = Plan(
        stamp="20260101_000000", run_dir=str(tmp_path), instance="here", mode="all", config="c",
        config_fingerprint="", params={}, cluster=config.to_values(), max_num_workers=4, retry=0,
        models=(), datasets=(), pairs=(), shards=(), evaluations=(),
    )  # fmt: skip
    files.write(layout.PLAN, plan.to_json())
    return jobs.job_for(str(tmp_path), SHARD)


def use(monkeypatch, **answers: list[object]) -> Scripted:
    cluster = Scripted(**answers)
    monkeypatch.setattr(poller, "open_cluster", lambda config: cluster)
    return cluster


def answer(job: Job) -> None:
    path = layout.prediction("tiny", PART.name)
    job.files.write(path, "{}")
    name, digest = Path(path).name, codec.digest_bytes(b"{}")
    manifest = Manifest(name, digest, "tiny", "data", SHARD, job.token, 0, 1, 1, 1, "f", "p")
    job.files.write(layout.manifest(path), manifest.to_json())
    written = {layout.manifest(path): codec.digest_bytes(job.files.read(layout.manifest(path)))}
    job.files.write(layout.exit_record(job.token), ExitRecord(job.token, "7", 0, job.epoch, 0, written).to_json())


def status(state: str, **facts) -> JobStatus:
    return JobStatus(JobState(state), job_id="7", **facts)


async def test_trouble_on_the_way_to_the_cluster_pauses_a_shard_and_never_fails_it(job, monkeypatch):
    trouble = [UnreachableError("no route"), LostError("connection reset"), UnsureError("squeue: timed out")]
    cluster = use(
        monkeypatch,
        find=[*trouble, None],
        submit=[LostError("sbatch's answer"), Admission.ADOPTED],
        poll=[status("running"), *trouble, status("succeeded")],
    )
    answer(job)  # in its job's folder: somebody began to submit it
    seen = []
    outcome = await drive.run_job(job, lambda told: seen.append(told.state))
    assert outcome.ok
    assert seen == [JobState.RUNNING, JobState.SUCCEEDED]
    assert cluster.calls.count("submit") == 2
    assert cluster.calls.index("submit") > 3  # nothing is submitted before find has answered
    assert cluster.calls[5] == "find"  # and after an unsure submission it is looked for before the next


async def test_a_job_that_nobody_began_to_submit_is_looked_for_only_after_an_unsure_submission(job, monkeypatch):
    cluster = use(
        monkeypatch, submit=[LostError("sbatch's answer"), Admission.ADOPTED], poll=[status("failed", reason="its own")]
    )
    await drive.run_job(job)
    assert cluster.calls == ["submit", "find", "submit", "poll", "cancel"]


async def test_a_lost_job_is_stopped_before_anybody_hears_of_it(job, monkeypatch):
    cluster = use(monkeypatch, poll=[status("lost", reason="gone")], cancel=[UnsureError("no answer"), None])
    outcome = await drive.run_job(job)
    assert cluster.calls.count("cancel") == 2
    assert (outcome.state, outcome.error_type) == (JobState.LOST, "InfrastructureError")
    assert type(drive.error_of(outcome, job.run_dir, SHARD)) is InfrastructureError


async def test_a_failed_job_is_stopped_also_by_who_finds_its_verdict(job, monkeypatch):
    cluster = use(monkeypatch, poll=[status("failed", reason="its own")], cancel=[None])
    first = await drive.run_job(job)
    assert cluster.calls == ["submit", "poll", "cancel"]
    assert await drive.run_job(job) == first
    assert cluster.calls[3:] == ["cancel"]


async def test_a_lost_job_that_has_done_its_work_is_a_success(job, monkeypatch):
    use(monkeypatch, poll=[status("lost", reason="gone")])
    answer(job)
    assert (await drive.run_job(job)).ok


async def test_files_of_another_host_may_come_late(job, monkeypatch):
    use(monkeypatch, poll=[status("succeeded")])
    running = asyncio.create_task(drive.run_job(job))
    while not job.files.exists(layout.history(job.token)):
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    assert not running.done()
    answer(job)
    assert (await running).ok


async def test_files_that_never_come_are_no_success(job, monkeypatch):
    use(monkeypatch, poll=[status("succeeded")])
    monkeypatch.setattr(drive, "FILES_LAG_SECONDS", 0.05)
    outcome = await drive.run_job(job)
    assert outcome.state is JobState.FAILED
    assert "wrote no exit record" in outcome.reason


async def test_a_job_stopped_by_its_time_limit_goes_on_only_with_something_new(job, monkeypatch):
    use(monkeypatch, poll=[status("timeout", reason="time limit", node="n01")])
    errors = []
    for done in (3, 5, 5):
        job = jobs.job_for(job.run_dir, SHARD)
        job.files.write(layout.heartbeat(job.token), Heartbeat("running", done, 9, "").to_json())
        outcome = await drive.run_job(job)
        assert (outcome.done, outcome.node) == (done, "n01")
        errors.append(drive.error_of(outcome, job.run_dir, SHARD))
    assert [type(error).__name__ for error in errors] == ["JobInterrupted", "JobInterrupted", "JobRefused"]
    assert isinstance(errors[1], JobInterrupted)
    assert errors[2].earlier == ("JobInterrupted", "JobInterrupted")


@pytest.mark.parametrize(("done", "error"), [((3,), "JobInterrupted"), ((0,), "JobRefused"), ((3, 3), "JobRefused")])
def test_a_job_cancelled_for_want_of_time_goes_on_only_when_it_did_something_new(job, done, error):
    for items in done:
        job = jobs.job_for(job.run_dir, SHARD)
        attempts.conclude(job.files, Outcome(job.token, job.epoch, JobState.CANCELLED, done=items))
        job.files.write(layout.heartbeat(job.token), "")
    raised = drive.out_of_time(job.run_dir, SHARD, "not done within 2 hours")
    assert type(raised).__name__ == error
    assert str(raised).startswith("not done within 2 hours")


def test_a_job_of_which_nobody_knows_the_end_is_left_to_the_next_try(job):
    assert isinstance(drive.out_of_time(job.run_dir, SHARD, "not done"), JobInterrupted)


async def test_progress_and_log_reach_the_caller_and_only_states_the_history(job, monkeypatch):
    beats = [Heartbeat("running", done, 9, "") for done in (1, 2)]
    use(
        monkeypatch,
        poll=[
            status("running", progress=beats[0]),
            status("running", progress=beats[1], log="a line\n"),
            status("succeeded", progress=beats[1]),
        ],
    )
    answer(job)
    seen = []
    await drive.run_job(job, seen.append)
    assert [told.progress for told in seen] == [beats[0], beats[1], beats[1]]
    lines = [json.loads(line) for line in job.files.read(layout.history(job.token)).splitlines()]
    assert [line.get("state") for line in lines] == ["running", "succeeded", None]


async def test_a_wish_to_cancel_is_no_interruption(job, monkeypatch):
    use(monkeypatch, poll=[status("failed", exit_code=-15)])
    attempts.ask_cancel(job.files, job.token, "marked failed by Ann")
    outcome = drive.judge(job, status("failed", exit_code=-15))
    assert (outcome.state, outcome.reason) == (JobState.CANCELLED, "marked failed by Ann")


async def test_the_next_try_avoids_the_failed_node_and_asks_for_more_memory_and_smaller_batches(job, monkeypatch):
    ends = [
        status("node_fail", reason="its node failed", node="n03"),
        status("out_of_memory", reason="too little"),
        status("failed", exit_code=1),
        status("succeeded"),
    ]
    monkeypatch.setattr(drive, "FILES_LAG_SECONDS", 0)
    requests = []
    for end in ends:
        cluster = use(monkeypatch, poll=[end])
        poller._clusters.clear()
        poller._pollers.clear()
        job = jobs.job_for(job.run_dir, SHARD)
        if end.state is JobState.FAILED:
            record = ExitRecord(job.token, "7", 0, job.epoch, 1, error_type="OutOfMemoryError", error="CUDA")
            job.files.write(layout.exit_record(job.token), record.to_json())
        await drive.run_job(job)
        requests.append(cluster.request)
    assert [request.exclude for request in requests] == [(), ("n03",), ("n03",), ("n03",)]
    assert [request.memory_factor for request in requests] == [1, 1, 2, 2]
    assert [request.env.get(variables.BATCH_SCALE) for request in requests] == [None, None, None, "0.5"]


async def test_time_in_which_a_requeued_job_waits_again_costs_no_gpu_hours(job, monkeypatch, tmp_path):
    told = [*["running"] * 3, *["queued"] * 20, *["running"] * 3, "succeeded"]
    use(monkeypatch, poll=[status(state) for state in told])
    answer(job)
    url = f"sqlite:///{tmp_path / 'results.db'}"
    began = time.time()
    assert (await drive.run_job(replace(job, gpus=2), database_url=url)).ok
    took = time.time() - began
    with Store.open(url) as store:
        assert 0 < store.gpu_seconds() < 2 * took / 2


def saw_it_run(job: Job, ago: float) -> str:
    """A process before this one submitted the job and saw it begin; returns when."""
    moment = stamp(ago)
    job.files.write(layout.job(job.token, "request.json"), "{}")
    job.files.append(layout.history(job.token), json.dumps({"time": moment, "state": "running"}))
    return moment


def stamp(ago: float) -> str:
    """So many seconds ago."""
    return datetime.fromtimestamp(time.time() - ago, UTC).isoformat(timespec="milliseconds")


async def booked(job: Job, url: str) -> dict[str, float]:
    """GPU-seconds by day once the job was seen through."""
    await drive.run_job(replace(job, gpus=2), database_url=url)
    with Store.open(url) as store:
        return {day: seconds for day, _, _, seconds in store.usage()}


@pytest.mark.parametrize("state", ["succeeded", "failed"])
async def test_a_job_that_ended_while_nobody_looked_is_booked_until_its_own_end(job, monkeypatch, tmp_path, state):
    use(monkeypatch, find=[status(state)], poll=[status(state)])
    saw_it_run(job, ago=7200)
    record = ExitRecord(job.token, "7", 0, job.epoch, 1, finished_at=stamp(7100))
    job.files.write(layout.exit_record(job.token), record.to_json())
    monkeypatch.setattr(drive, "FILES_LAG_SECONDS", 0.05)
    assert sum((await booked(job, f"sqlite:///{tmp_path / 'results.db'}")).values()) == pytest.approx(200, abs=1)
    ((_, end),) = attempts.ran(job.files, job.token)
    assert end == datetime.fromisoformat(record.finished_at), "so that also the shard's time on the clock is right"


async def test_a_job_that_was_killed_while_nobody_looked_is_booked_until_its_last_sign_of_life(
    job, monkeypatch, tmp_path
):
    lost = status("node_fail", reason="its node failed")
    use(monkeypatch, find=[lost], poll=[lost])
    saw_it_run(job, ago=7200)
    job.files.write(layout.heartbeat(job.token), Heartbeat("running", 3, 9, stamp(7000)).to_json())
    assert sum((await booked(job, f"sqlite:///{tmp_path / 'results.db'}")).values()) == pytest.approx(400, abs=1)


async def test_a_job_that_began_and_ended_while_nobody_looked_is_booked(job, monkeypatch, tmp_path):
    use(monkeypatch, find=[status("failed")], poll=[status("failed")])
    job.files.write(layout.job(job.token, "request.json"), "{}")
    job.files.append(layout.starts(job.token), json.dumps({"job_id": "7", "time": stamp(3600)}))
    record = ExitRecord(job.token, "7", 0, job.epoch, 1, finished_at=stamp(3500))
    job.files.write(layout.exit_record(job.token), record.to_json())
    assert sum((await booked(job, f"sqlite:///{tmp_path / 'results.db'}")).values()) == pytest.approx(200, abs=1)


async def test_a_job_that_was_silent_while_somebody_looked_is_booked_until_it_was_seen_to_end(
    job, monkeypatch, tmp_path
):
    lost = status("node_fail", reason="its node failed")
    use(monkeypatch, find=[status("running")], poll=[status("running"), status("running"), lost])
    saw_it_run(job, ago=7200)
    job.files.write(layout.heartbeat(job.token), Heartbeat("running", 3, 9, stamp(7000)).to_json())
    found = await booked(job, f"sqlite:///{tmp_path / 'results.db'}")
    assert sum(found.values()) == pytest.approx(14_400, abs=10), "it held its devices"


async def test_what_was_booked_too_much_before_the_end_was_known_is_taken_back(job, monkeypatch, tmp_path):
    use(monkeypatch, find=[status("failed")], poll=[status("failed")])
    ran_out = 3 * 24 * 3600
    saw_it_run(job, ago=ran_out)
    url = f"sqlite:///{tmp_path / 'results.db'}"
    with Store.open(url) as store:  # as one that waited for the cluster's answer booked it
        store.record_usage(
            [UsageRow(job.token, stamp(days * 86_400)[:10], "", "", job.run_dir, "far", 2, 9e4) for days in range(3)]
        )
    record = ExitRecord(job.token, "7", 0, job.epoch, 1, finished_at=stamp(ran_out - 100))
    job.files.write(layout.exit_record(job.token), record.to_json())
    assert sum((await booked(job, url)).values()) == pytest.approx(200, abs=1)
