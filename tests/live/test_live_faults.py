"""What people and machines do to a run, under a live scheduler and triggerer."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from pathlib import Path

import pytest
from live_world import World, kill, processes_of, until

pytestmark = pytest.mark.live


class Watch(threading.Thread):
    """Counts, from what the jobs themselves left, how many are alive at once."""

    def __init__(self, run_dir: Path) -> None:
        super().__init__(daemon=True)
        self.run_dir = run_dir
        self.most = 0
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.05):
            alive = [job for job in self.run_dir.glob("jobs/*/claim") if not (job.parent / "exit.json").exists()]
            self.most = max(self.most, len(alive))


def test_24_shards_never_exceed_3_alive_and_start_once_although_the_triggerer_is_killed(world: World):
    config = world.config("many", rows=24 * 16)
    run = world.start(config, max_num_workers=3, max_partition_size=16 * 20)
    folder = world.run_dir(run)
    watch = Watch(folder)
    watch.start()
    until(lambda: len(list(folder.glob("jobs/*/exit.json"))) >= 4, "first finished jobs", 240)
    slots = [ti for ti in world.instances(run, "infer_local") if ti["state"] == "running"]
    world.airflow.kill("triggerer", signal.SIGKILL)
    until(lambda: len(list(folder.glob("jobs/*/claim"))) >= 4, "jobs that outlive the triggerer")
    world.airflow.start("triggerer")
    world.assert_green(run, 600)
    watch.over.set()
    watch.join()
    infer = {token: count for token, count in world.starts(folder).items() if "-infer-" in token}
    assert len(infer) == 24
    assert set(infer.values()) == {1}
    assert 1 <= watch.most <= 3
    assert len(slots) <= 1, "a worker slot is held while a job runs"


def test_a_shard_killed_in_the_middle_computes_exactly_what_is_missing(world: World):
    config = world.config("slow", rows=48, out=96, batch=1)
    calm = world.start(config, retry=0, limit=48)
    world.assert_green(calm)
    reference = (world.run_dir(calm) / "predictions/tiny/sums.json").read_bytes()

    world.forget()
    run = world.start(config, retry=1, limit=48)
    folder = world.run_dir(run)
    journal = folder / "predictions/tiny/tmp_sums.jsonl"
    until(lambda: journal.exists() and len(journal.read_text().splitlines()) >= 5, "five journaled items")
    kill(processes_of(folder, "inference")[0].pid)
    world.assert_green(run)
    log = (folder / "logs/infer/tiny/sums.out").read_text()
    answered, restored = re.findall(r"answered (\d+) items?, (\d+) restored", log)[-1]
    assert int(restored) >= 5
    assert int(answered) + int(restored) == 48
    assert (folder / "predictions/tiny/sums.json").read_bytes() == reference
    assert not journal.exists()


def test_a_worker_killed_before_it_could_defer_starts_the_job_once(world: World):
    config = world.config("worker", rows=16)
    gate = world.hold()
    run = world.start(config)
    folder = world.run_dir(run)
    spec = next((folder / "shards").glob("infer-*.json"))
    content = spec.read_bytes()
    spec.unlink()
    os.mkfifo(spec)  # the worker blocks when it reads what the shard is
    pid = until(lambda: world.worker(run), "a worker with the shard")
    kill(pid)
    spec.unlink()
    spec.write_bytes(content)
    gate.unlink()
    world.assert_green(run, 400)
    assert set(world.starts(folder).values()) == {1}


def test_a_failed_shard_that_is_cleared_runs_as_a_new_epoch(world: World):
    config = world.config("cleared", rows=16)
    gate = world.fail("infer-0000")
    run = world.start(config, retry=0)
    assert world.wait(run) == "failed"
    folder = world.run_dir(run)
    gate.unlink()
    world.clear(run, "infer_local", 0)
    world.assert_green(run)
    histories = {path.parent.name: path.read_text() for path in sorted(folder.glob("jobs/*-infer-*/history.jsonl"))}
    tokens = list(histories)
    assert [token.rpartition("-")[2] for token in tokens] == ["e1", "e2"], "\n".join(histories.values())
    assert [token for token in world.starts(folder) if "-infer-" in token] == tokens[1:]


def test_a_run_marked_failed_leaves_no_process(world: World):
    config = world.config("marked", rows=64, out=128, batch=1)
    run = world.start(config, max_num_workers=2, max_partition_size=32 * 20)
    folder = world.run_dir(run)
    until(lambda: len(world.starts(folder)) == 2, "two running jobs")
    assert processes_of(folder)
    world.mark_run(run, "failed")
    until(lambda: not processes_of(folder), "end of every process", 60)


def test_a_trigger_handed_to_a_second_triggerer_cancels_nothing(world: World):
    config = world.config("handed", rows=16)
    gate = world.hold()
    run = world.start(config)
    folder = world.run_dir(run)
    until(lambda: _held(folder), "a job")
    held = _held(folder)
    # The first triggerer hangs, so that the second one takes its triggers, and then wakes up and finds them gone.
    owner = world.owner(run)
    with world.frozen("triggerer"):
        world.airflow.start("triggerer", name="triggerer-2")
        until(lambda: world.owner(run) not in (None, owner), "a second owner", 120)
    until(lambda: "its task is still deferred" in world.log(run, "infer_local", 0), "the guard's word in the log")
    assert _held(folder) == held
    gate.unlink()
    world.assert_green(run)
    world.airflow.kill("triggerer-2", signal.SIGTERM)
    assert set(world.starts(folder).values()) == {1}


def test_a_deferred_shard_that_is_cleared_is_run_again_by_the_same_run(world: World):
    config = world.config("cleared-while-waiting", rows=16)
    gate = world.hold()
    run = world.start(config)
    folder = world.run_dir(run)
    until(lambda: processes_of(folder), "a job")
    world.clear(run, "infer_local", 0)
    gate.unlink()
    world.assert_green(run)
    assert json.loads((folder / "predictions/tiny/sums.manifest.json").read_text())["count"] == 16


def _held(folder: Path) -> set[int]:
    """Pids of the jobs that wait at a gate."""
    return {process.pid for process in processes_of(folder, "inference")}
