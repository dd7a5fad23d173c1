"""What takes longer of that which happens to Airflow while jobs are on a real Slurm."""

from __future__ import annotations

import json
import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from live_world import kill, until
from slurm_world import LIGHT, SlurmWorld

from faults.evidence import Evidence

pytestmark = [pytest.mark.live, pytest.mark.slurm, pytest.mark.soak]

SHARDS = 50
GENERATED = 20
"""What one row counts as for the partitioner."""


@pytest.mark.fault(
    f"SIGKILL to the triggerer while {SHARDS} jobs run, half of which end before a new one is there",
    "not one scancel; the new triggerer finds what ended and adopts what runs, on one connection",
)
def test_a_triggerer_is_killed_with_fifty_jobs_running(slurm_world: SlurmWorld):
    world = slurm_world
    gates = [world.hold(f"infer-{number:04}") for number in range(SHARDS)]
    config = world.config("killed", rows=SHARDS * 2)
    run = world.start(config, cluster=LIGHT, max_num_workers=SHARDS, max_partition_size=2 * GENERATED)
    evidence = world.evidence(run)
    world.running(evidence, SHARDS)
    kills, connections = world.kills, world.bed.connections
    world.airflow.kill("triggerer", signal.SIGKILL)
    for gate in gates[: SHARDS // 2]:
        gate.unlink()
    world.running(evidence, SHARDS - SHARDS // 2)
    world.airflow.start("triggerer")
    until(lambda: world.bed.connections > connections, "a connection of the new triggerer")
    for gate in gates[SHARDS // 2 :]:
        gate.unlink()
    world.assert_green(run)
    assert world.kills == kills
    assert world.bed.connections == connections + 1
    assert_once(evidence)


@pytest.mark.fault(
    "SIGKILL to the worker that has a shard, before it could defer", "the next try submits; one job, started once"
)
def test_a_worker_is_killed_before_it_could_defer(slurm_world: SlurmWorld):
    world = slurm_world
    run = world.start(world.config("killed-worker", rows=2), cluster=LIGHT)
    evidence = world.evidence(run)
    spec, content = block(evidence)
    kill(until(lambda: world.worker(run), "a worker with the shard"))
    unblock(spec, content)
    world.assert_green(run, 400)
    assert len(evidence.tokens("infer-0000")) == 1
    assert_once(evidence)


@pytest.mark.fault(
    "SIGSTOP to a triggerer with running jobs until a second one has its triggers, then SIGCONT",
    "not one scancel, though Airflow tells the first one's triggers that they were killed",
)
def test_triggers_are_handed_to_a_second_triggerer(slurm_world: SlurmWorld):
    world = slurm_world
    gate = world.hold()
    config = world.config("handed-on", rows=6)
    run = world.start(config, cluster=LIGHT, max_num_workers=3, max_partition_size=2 * GENERATED)
    evidence = world.evidence(run)
    jobs = world.running(evidence, 3)
    kills, owner = world.kills, world.owner(run)
    with world.frozen("triggerer"):
        world.airflow.start("triggerer", name="triggerer-2")
        until(lambda: world.owner(run) not in (None, owner), "a second owner", 120)
    until(lambda: "its task is still deferred" in world.log(run, world.infer, 0), "the guard's word in the log")
    assert world.running(evidence, 3) == jobs
    gate.unlink()
    world.assert_green(run)
    world.airflow.kill("triggerer-2", signal.SIGTERM)
    assert world.kills == kills
    assert_once(evidence)


@pytest.mark.fault(
    "an exclusive job in a higher partition takes the node of a shard that answers with a real model",
    "PREEMPTED; Airflow's next try goes on after the last answer; predictions and scores as without it",
)
def test_a_shard_of_a_real_model_is_preempted(slurm_world: SlurmWorld):
    world = slurm_world
    config = world.config("preempted", rows=48, out=96, batch=1)
    calm = world.start(config, retry=0)
    world.assert_green(calm)
    undisturbed = outputs(world.run_dir(calm))

    world.forget()
    run = world.start(config, partition="scav")
    evidence = world.evidence(run)
    journal = evidence.folder / "predictions/tiny/tmp_sums.jsonl"
    until(lambda: journal.exists() and len(journal.read_text().splitlines()) >= 5, "five journaled items")
    world.bed.preempt({row.node for row in evidence.rows() if row.state == "RUNNING"})
    world.assert_green(run, 400)
    first, last = evidence.verdicts("infer-0000")
    assert first.startswith("preempted JobInterrupted: ")
    assert last == "succeeded : "
    log = (evidence.folder / "logs/infer/tiny/sums.out").read_text()
    answered, restored = re.findall(r"answered (\d+) items?, (\d+) restored", log)[-1]
    assert int(restored) >= 5
    assert int(answered) + int(restored) == 48
    assert outputs(evidence.folder) == undisturbed
    evidence.assert_each_shard_ended_well_once()


@pytest.mark.fault(
    "the `execution_timeout` of a deferred task passes while its job does nothing",
    "the job is cancelled; JobRefused, since another one would do nothing either",
)
def test_a_deferred_task_reaches_its_execution_timeout(slurm_world: SlurmWorld):
    world = replace(slurm_world, dag="impatient_eval")
    world.hold("infer-0000")  # its evaluation comes too, to say what is missing
    run = world.start(world.config("timeout", rows=2), cluster=LIGHT)
    evidence = world.evidence(run)
    world.running(evidence, 1)
    assert world.wait(run) == "failed"
    assert_gone(evidence)
    assert "in which it did no new item" in world.log(run, world.infer, 0)


@pytest.mark.fault(
    "what a shard is told disappears while its job runs, and the triggerer is restarted: trigger and next try fail",
    "the task gives up and takes its job with it",
)
def test_a_task_gives_up_while_its_job_runs(slurm_world: SlurmWorld):
    world = slurm_world
    world.hold("infer-0000")  # its evaluation comes too, to say what is missing
    run = world.start(world.config("given-up", rows=2), cluster=LIGHT)
    evidence = world.evidence(run)
    world.running(evidence, 1)
    spec_of(evidence).unlink()
    restart_triggerer(world)
    assert world.wait(run, 400) == "failed"
    assert_gone(evidence)


@pytest.mark.fault(
    "a task is marked failed while a worker has it again and the job of its first try still runs",
    "the worker's `on_kill` cancels the job",
)
def test_a_task_is_marked_failed_while_a_worker_has_it(slurm_world: SlurmWorld):
    world = slurm_world
    world.hold("infer-0000")  # its evaluation comes too, to say what is missing
    run = world.start(world.config("killed-again", rows=2), cluster=LIGHT)
    evidence = world.evidence(run)
    jobs = world.running(evidence, 1)
    spec = spec_of(evidence)
    content = spec.read_bytes()
    spec.unlink()
    restart_triggerer(world)
    until(lambda: world.instances(run, world.infer)[0]["state"] == "up_for_retry", "the end of the first try", 180)
    os.mkfifo(spec)
    until(lambda: waits_at_a_pipe(world.worker(run)), "a worker with the second try", 180)
    unblock(spec, content)
    assert world.running(evidence, 1) == jobs
    world.mark_task(run, world.infer, 0, "failed")
    until(lambda: not evidence.live, "the end of every job", 120)
    (verdict,) = until(lambda: evidence.verdicts("infer-0000"), "the shard's verdict")
    assert verdict == "cancelled JobCancelled: cancelled in Airflow while a worker had its task"


def spec_of(evidence: Evidence) -> Path:
    """What the one infer shard is told."""
    (spec,) = (evidence.folder / "shards").glob("infer-*.json")
    return spec


def block(evidence: Evidence) -> tuple[Path, bytes]:
    """Let the worker wait where it reads what its shard is; returns what that was."""
    spec = spec_of(evidence)
    content = spec.read_bytes()
    spec.unlink()
    os.mkfifo(spec)
    return spec, content


def waits_at_a_pipe(pid: int | None) -> bool:
    """Whether a process has opened a pipe to read, which nobody has opened to write."""
    return pid is not None and Path(f"/proc/{pid}/wchan").read_text() == "wait_for_partner"


def unblock(spec: Path, content: bytes) -> None:
    """Whoever waits waits on; whoever comes finds what there was."""
    spec.unlink()
    spec.write_bytes(content)


def restart_triggerer(world: SlurmWorld) -> None:
    """As a redeploy does."""
    world.airflow.kill("triggerer", signal.SIGTERM)
    world.airflow.start("triggerer")


def outputs(folder: Path) -> dict[str, bytes]:
    """Predictions and scores."""
    paths = [folder / kind / "tiny" / "sums.json" for kind in ("predictions", "results")]
    return {path.parent.parent.name: path.read_bytes() for path in paths}


def assert_once(evidence: Evidence) -> None:
    """Nothing was lost, nothing was done twice, nothing is left, and the score is that of the stand-in's answers."""
    evidence.assert_each_shard_ended_well_once()
    evidence.assert_each_row_was_answered_once()
    until(lambda: not evidence.live, "the end of every job", 60)
    scored = json.loads((evidence.folder / "results/tiny/sums.json").read_text())
    assert scored["accuracy"] == 100.0


def assert_gone(evidence: Evidence) -> None:
    """The run's jobs are over, and were concluded as cancelled."""
    until(lambda: not evidence.live, "the end of every job", 60)
    assert [
        record for token in evidence.tokens() if (record := evidence.exit_record(token)).get("returncode") == 0
    ] == []
