"""What people and machines do to Airflow while jobs are on a real Slurm."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace

import pytest
from live_world import until
from slurm_world import LIGHT, SlurmWorld

pytestmark = [pytest.mark.live, pytest.mark.slurm]

SHARDS = 50
GENERATED = 20
"""What one row counts as for the partitioner."""


@pytest.mark.fault(
    f"{SHARDS} shards are planned and all their jobs run at once",
    "sshd accepts one connection, the triggerer's; no worker slot is held",
)
def test_fifty_shards_share_one_ssh_connection(slurm_world: SlurmWorld):
    world = slurm_world
    config = world.config("fifty", rows=SHARDS * 2)
    before = world.bed.connections
    gate = world.hold()
    run = world.start(config, cluster=LIGHT, max_num_workers=SHARDS, max_partition_size=2 * GENERATED)
    evidence = world.evidence(run)
    world.running(evidence, SHARDS)
    assert {instance["state"] for instance in world.instances(run, world.infer)} == {"deferred"}
    gate.unlink()
    world.assert_green(run)
    assert world.bed.connections - before == 1
    evidence.assert_each_shard_ended_well_once()
    evidence.assert_each_row_was_answered_once()


@pytest.mark.fault(
    "SIGTERM to the triggerer while jobs run, then a new one",
    "not one scancel; the new triggerer adopts every job",
)
def test_a_restarted_triggerer_cancels_nothing(slurm_world: SlurmWorld):
    world = slurm_world
    config = world.config("restarted", rows=6)
    gate = world.hold()
    run = world.start(config, cluster=LIGHT, max_num_workers=3, max_partition_size=2 * GENERATED)
    evidence = world.evidence(run)
    jobs = world.running(evidence, 3)
    kills, connections = world.kills, world.bed.connections
    world.airflow.kill("triggerer", signal.SIGTERM)
    world.airflow.start("triggerer")
    until(lambda: world.bed.connections > connections, "a connection of the new triggerer")
    assert world.running(evidence, 3) == jobs
    gate.unlink()
    world.assert_green(run)
    assert world.kills == kills
    evidence.assert_each_shard_ended_well_once()
    evidence.assert_each_row_was_answered_once()


def test_a_sensor_waits_for_jobs_that_something_else_submitted(slurm_world: SlurmWorld):
    world = replace(slurm_world, dag="slurm_jobs")
    good, bad = (world.bed.ssh("sbatch", "--parsable", "--output=/dev/null", f"--wrap=exit {code}") for code in (0, 3))
    first = world.airflow.rest.trigger(world.dag, {"job_ids": [int(good)]})
    both = world.airflow.rest.trigger(world.dag, {"job_ids": [int(good), int(bad)]})
    world.assert_green(first)
    assert world.wait(both) == "failed"
    ends = world.xcom(both, "wait", "jobs")
    assert {job: end["state"] for job, end in ends.items()} == {
        f"job:{good.strip()}": "succeeded",
        f"job:{bad.strip()}": "failed",
    }
    assert f"job job:{bad.strip()} is failed: " in world.log(both, "wait")


def test_the_command_line_logs_in_with_the_connection_that_airflow_keeps(slurm_world: SlurmWorld):
    world = slurm_world
    env = world.airflow.home.environment({"OPENCOMPASS_OPS_CONFIG_DIR": str(world.folder / "configs")})
    command = [sys.executable, "-m", "opencompass_ops.cli", "doctor", LIGHT]
    said = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert (said.returncode, said.stderr) == (0, ""), said.stdout + said.stderr
    assert f"{world.bed.user} on " in said.stdout
