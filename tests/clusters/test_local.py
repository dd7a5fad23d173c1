"""What only processes of one host can suffer: killed submitters, killed supervisors, restarts, shared GPUs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from dataclasses import replace

import pytest
from backends import Bench, ended, is_gone, local, until, with_config

from opencompass_ops.clusters import local_status
from opencompass_ops.clusters.base import Admission, JobState
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.local import LocalCluster
from opencompass_ops.clusters.local_jobs import LocalJobs, state_folder
from opencompass_ops.clusters.local_launch import launch
from opencompass_ops.clusters.local_records import Start, read_end, read_start, start_path
from opencompass_ops.clusters.registry import open_cluster
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.errors import ConfigError, JobRefused, UnsureError

pytestmark = pytest.mark.process


@pytest.fixture
def bench(request, tmp_path, monkeypatch) -> Bench:
    monkeypatch.setenv("OPENCOMPASS_OPS_KILL_GRACE", "0.4")
    return local(request, tmp_path)


def die(*_args) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DiesBeforeIntent(LocalCluster):
    _record = die


class DiesAfterIntent(LocalCluster):
    def _record(self, files, request, entry):
        self._jobs.put = die
        super()._record(files, request, entry)


class DiesBeforeSpawn(LocalCluster):
    _environment = die


class DiesBeforeClaim(LocalCluster):
    """Leaves in the moment when the supervisor is spawned and nobody has heard of it."""

    def _environment(self, request, entry):
        import select

        select.select = die
        return super()._environment(request, entry)


@pytest.mark.parametrize("kind", [DiesBeforeIntent, DiesAfterIntent, DiesBeforeSpawn, DiesBeforeClaim])
async def test_a_submitter_killed_at_any_step_means_neither_two_starts_nor_none(bench, kind):
    request = bench.shell("oc-a", "echo $$ >> starts", max_running=1)
    child = os.fork()
    if child == 0:
        kind(bench.config)._submit(request)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    cluster = bench.open()
    answer = await cluster.submit(request)
    assert answer is (Admission.ADOPTED if kind is DiesBeforeClaim else Admission.ACCEPTED)
    assert (await ended(cluster, "oc-a")).state is JobState.SUCCEEDED
    assert len(bench.lines("starts")) == 1


async def test_a_job_whose_submitter_died_before_it_could_hear_of_it_is_counted(bench):
    child = os.fork()
    if child == 0:
        DiesBeforeClaim(bench.config)._submit(bench.shell("oc-a", "sleep 30", max_running=1))
    os.waitpid(child, 0)
    cluster = bench.open()
    assert await cluster.submit(bench.shell("oc-b", "true", max_running=1)) is Admission.FULL
    await cluster.cancel(["oc-a"])
    assert await cluster.submit(bench.shell("oc-b", "true", max_running=1)) is Admission.ACCEPTED


async def test_an_intent_that_nobody_started_takes_no_slot_and_can_be_cancelled(bench):
    child = os.fork()
    if child == 0:
        DiesBeforeSpawn(bench.config)._submit(bench.shell("oc-a", "echo x >> starts"))
    os.waitpid(child, 0)
    cluster = bench.open()
    assert await cluster.find("oc-a") is None
    assert (await cluster.poll(["oc-a"]))["oc-a"].state is JobState.UNKNOWN
    assert await cluster.submit(bench.shell("oc-b", "true", max_running=1)) is Admission.ACCEPTED
    await cluster.cancel(["oc-a"])
    assert await cluster.submit(bench.shell("oc-a", "echo x >> starts")) is Admission.ADOPTED
    assert (await ended(cluster, "oc-a")).state is JobState.CANCELLED
    assert not bench.lines("starts")


async def test_a_second_supervisor_for_a_token_leaves_at_once(bench):
    request = bench.shell("oc-a", "echo $$ >> starts; sleep 0.3")
    cluster = bench.open()
    await cluster.submit(request)
    with LocalJobs(state_folder(bench.config.state_dir)).locked() as lock:
        assert launch(request, dict(os.environ), lock) is Admission.ADOPTED
    assert (await ended(cluster, "oc-a")).state is JobState.SUCCEEDED
    assert len(bench.lines("starts")) == 1


async def lose(bench: Bench, token: str = "oc-a", **more) -> list[int]:
    """Kill a job's supervisor while the job has a grandchild; the pids of main process and grandchild."""
    cluster = bench.open()
    script = "echo $$ > pids; sh -c 'echo $$ >> pids; while :; do sleep 1; done' & wait"
    await cluster.submit(bench.shell(token, script, **more))
    await until(lambda: len(bench.lines("pids")) == 2)
    os.kill(read_start(LocalFiles(bench.run_dir), token).pid, signal.SIGKILL)
    assert (await ended(cluster, token)).state is JobState.LOST
    return [int(pid) for pid in bench.lines("pids")]


async def test_a_job_does_not_work_on_without_its_supervisor(bench):
    main, _grandchild = await lose(bench)
    await until(lambda: is_gone(main))
    await bench.open().cancel(["oc-a"])


async def test_a_job_that_ends_between_two_looks_is_not_taken_for_lost(bench, monkeypatch):
    cluster = bench.open()
    await cluster.submit(bench.shell("oc-a", "true"))
    await ended(cluster, "oc-a")
    await until(lambda: is_gone(read_start(LocalFiles(bench.run_dir), "oc-a").pid))
    looks = iter([lambda *_: None])
    monkeypatch.setattr(local_status, "read_end", lambda *args: next(looks, read_end)(*args))
    assert (await cluster.poll(["oc-a"]))["oc-a"].state is JobState.SUCCEEDED


async def test_a_job_without_supervisor_is_lost_and_cancel_clears_what_is_left(bench):
    pids = await lose(bench)
    assert not is_gone(pids[1])
    cluster = bench.open()
    assert (await cluster.find("oc-a")).state is JobState.LOST
    await cluster.cancel(["oc-a"])
    assert all(is_gone(pid) for pid in pids)
    assert (await cluster.poll(["oc-a"]))["oc-a"].state is JobState.CANCELLED


async def test_the_next_submission_clears_what_a_lost_job_left_before_it_takes_the_slot(bench):
    pids = await lose(bench, max_running=1)
    cluster = bench.open()
    assert await cluster.submit(bench.shell("oc-b", "true", max_running=1)) is Admission.ACCEPTED
    assert all(is_gone(pid) for pid in pids)


def disguise(bench: Bench, token: str, **changes) -> None:
    """Make a job look as if another host or another boot had started it."""
    files = LocalFiles(bench.run_dir)
    start = replace(Start(**codec.dataclasses.asdict(read_start(files, token))), **changes)
    files.write(start_path(token), codec.dumps(start))


async def test_a_job_from_before_the_hosts_restart_is_lost(bench):
    await lose(bench)
    disguise(bench, "oc-a", boot_id="another")
    status = (await bench.open().poll(["oc-a"]))["oc-a"]
    assert status.state is JobState.LOST
    assert "was restarted" in status.reason
    await bench.open().cancel(["oc-a"])


async def test_a_job_of_another_host_counts_as_running_while_it_gives_signs_of_life(bench, monkeypatch):
    await lose(bench)
    disguise(bench, "oc-a", host="elsewhere")
    cluster = bench.open()
    assert (await cluster.find("oc-a")).state is JobState.RUNNING
    with pytest.raises(UnsureError, match="runs on host elsewhere"):
        await cluster.cancel(["oc-a"])
    monkeypatch.setattr(local_status, "_SILENT_SECONDS", -1.0)
    status = (await cluster.poll(["oc-a"]))["oc-a"]
    assert status.state is JobState.LOST
    assert "no sign of life from host elsewhere" in status.reason
    await cluster.cancel(["oc-a"])


async def test_a_reused_pid_is_not_taken_for_the_supervisor(bench):
    await lose(bench)
    disguise(bench, "oc-a", pid=os.getpid())
    cluster = bench.open()
    assert (await cluster.poll(["oc-a"]))["oc-a"].state is JobState.LOST
    await cluster.cancel(["oc-a"])  # and we are still here


async def test_an_end_that_was_written_before_the_supervisor_vanished_stands(bench):
    cluster = bench.open()
    await cluster.submit(bench.shell("oc-a", "true"))
    await ended(cluster, "oc-a")
    disguise(bench, "oc-a", boot_id="another")
    assert (await cluster.poll(["oc-a"]))["oc-a"].state is JobState.SUCCEEDED


async def test_a_job_is_found_when_the_state_folder_was_removed(bench, tmp_path):
    request = bench.shell("oc-a", "echo $$ >> starts; sleep 30")
    await bench.open().submit(request)
    moved = with_config(bench, state_dir=str(tmp_path / "other"))
    cluster = moved.open()
    assert await cluster.find("oc-a") is None
    assert await cluster.submit(request) is Admission.ADOPTED
    await cluster.cancel(["oc-a"])
    assert (await bench.open().poll(["oc-a"]))["oc-a"].state is JobState.CANCELLED
    assert len(bench.lines("starts")) <= 1


async def test_a_dead_supervisor_before_the_claim_is_unsure_and_the_next_call_starts_the_job(bench, monkeypatch):
    import sys

    request = bench.shell("oc-a", "echo $$ >> starts")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(UnsureError, match="oc-a said nothing"):
            await bench.open().submit(request)
    assert await bench.open().submit(request) is Admission.ACCEPTED
    await ended(bench.open(), "oc-a")
    assert len(bench.lines("starts")) == 1


async def test_a_state_folder_that_cannot_be_written_is_no_evidence(bench, tmp_path):
    (tmp_path / "file").write_text("")
    broken = with_config(bench, state_dir=str(tmp_path / "file"))
    with pytest.raises(UnsureError, match="local jobs cannot be asked"):
        await broken.open().submit(bench.shell("oc-a", "true"))


async def test_devices_are_handed_out_once_shared_as_allowed_and_given_back(bench, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,7")
    cluster = bench.open()

    def wants(token: str, number: int):
        return bench.shell(token, f"echo $CUDA_VISIBLE_DEVICES > {token}; sleep 30", num_gpus=number)

    assert await cluster.submit(wants("oc-a", 1)) is Admission.ACCEPTED
    assert await cluster.submit(wants("oc-b", 2)) is Admission.FULL
    assert await cluster.submit(wants("oc-c", 1)) is Admission.ACCEPTED
    assert await cluster.submit(wants("oc-d", 1)) is Admission.FULL
    assert await cluster.submit(wants("oc-cpu", 0)) is Admission.ACCEPTED
    shared = with_config(bench, max_workers_per_gpu=2).open()
    assert await shared.submit(wants("oc-b", 2)) is Admission.ACCEPTED
    names = ("oc-a", "oc-c", "oc-cpu", "oc-b")
    await until(lambda: all(bench.lines(name) for name in names))
    assert [bench.lines(name)[0] for name in names] == ["3", "7", "", "3,7"]
    await cluster.cancel(names)
    assert await cluster.submit(wants("oc-d", 1)) is Admission.ACCEPTED
    await cluster.cancel(["oc-d"])
    with pytest.raises(JobRefused, match="needs 3 GPU"):
        await cluster.submit(wants("oc-e", 3))


async def test_waiting_for_a_stubborn_job_leaves_the_event_loop_free(bench):
    cluster = bench.open()
    await cluster.submit(bench.shell("oc-a", "trap '' TERM; : > up; while :; do sleep 0.1; done"))
    await until((bench.run_dir / "up").exists)
    longest, last = 0.0, time.monotonic()
    task = asyncio.create_task(cluster.cancel(["oc-a"]))
    while not task.done():
        await asyncio.sleep(0.01)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    await task
    assert longest < 0.3


async def test_the_intent_holds_the_command_but_no_variables(bench):
    cluster = bench.open()
    await cluster.submit(bench.shell("oc-a", "true", env={"ADDED": "do-not-write-me"}))
    await ended(cluster, "oc-a")
    text = (bench.run_dir / layout.job("oc-a", "request.json")).read_text()
    assert json.loads(text)["request"]["argv"][0] == "/bin/sh"
    assert "do-not-write-me" not in text


async def test_secrets_reach_the_job_from_this_process_and_no_file(bench, monkeypatch):
    named = with_config(bench, secrets=["OPENAI_API_KEY"])
    with pytest.raises(JobRefused, match="OPENAI_API_KEY of its secrets is not in the environment"):
        await named.open().submit(named.shell("oc-a", "true"))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-this-test")
    await named.open().submit(named.shell("oc-a", 'printf %s "$OPENAI_API_KEY" | tr sk SK >key'))
    await ended(named.open(), "oc-a")
    assert named.lines("key") == ["SK-of-thiS-teSt"]
    files = (path for path in [*bench.run_dir.rglob("*"), *bench.run_dir.parent.rglob("*")] if path.is_file())
    assert not [path for path in files if b"sk-of-this-test" in path.read_bytes()]


@pytest.mark.parametrize("setting", [{"setup": ["module load cuda"]}, {"mounts": {"/a": "/b"}}, {"connection_id": "x"}])
def test_settings_that_mean_nothing_here_are_refused(setting):
    with pytest.raises(ConfigError, match=f"{next(iter(setting))} has no meaning for kind 'local'"):
        open_cluster(ClusterConfig.from_values("mine", setting))
