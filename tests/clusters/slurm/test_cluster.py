"""What only Slurm has: jobs that something else submitted, and such that nobody wants any more."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from backends import ended, until, with_config

from opencompass_ops.clusters.base import Admission, JobState
from opencompass_ops.clusters.resources import Resources
from opencompass_ops.errors import JobRefused

pytestmark = pytest.mark.slurm


@pytest.mark.parametrize(("script", "state"), [("exit 0", JobState.SUCCEEDED), ("exit 3", JobState.FAILED)])
async def test_a_job_submitted_elsewhere_is_seen_to_its_end_by_id_and_by_name(slurm_bench, testbed, script, state):
    name = f"by-hand-{state.value}"
    job_id = testbed.ssh("sbatch", "--parsable", "--output=/dev/null", f"--job-name={name}", "--wrap", script).strip()
    cluster = slurm_bench.open()
    for key in (f"job:{job_id}", f"name:{name}"):
        status = await ended(cluster, key)
        assert (status.state, status.job_id) == (state, job_id)


async def test_a_job_that_nobody_submitted_is_unknown(slurm_bench):
    found = await slurm_bench.open().poll(["job:999999", "name:no-such-job"])
    assert {status.state for status in found.values()} == {JobState.UNKNOWN}


async def test_a_job_whose_cancel_never_reached_the_cluster_is_stopped_later(slurm_bench, testbed):
    cluster = slurm_bench.open()
    for token in ("oc-abcdef-run1-a-e1", "oc-abcdef-run1-b-e1", "oc-fedcba-run1-a-e1"):
        await cluster.submit(slurm_bench.shell(token, "sleep 60"))
    unwanted, wanted, of_another = "oc-abcdef-run1-a-e1", "oc-abcdef-run1-b-e1", "oc-fedcba-run1-a-e1"
    for token in (unwanted, of_another):
        wish = slurm_bench.run_dir / "jobs" / token / "history.jsonl"
        wish.write_text('{"time": "2026-01-01", "cancel": "cleared"}\n')
    await cluster.poll([wanted])
    await until(lambda: unwanted not in testbed.run("squeue", "-h", "-o", "%j"))
    live = testbed.run("squeue", "-h", "-o", "%j")
    assert wanted in live
    assert of_another in live
    await cluster.cancel([wanted, of_another])
    assert "oc-" not in testbed.run("squeue", "-h", "-o", "%j")


async def test_a_job_in_a_hidden_partition_is_seen_too(slurm_bench, testbed):
    token = f"oc-{uuid.uuid4().hex[:12]}"
    cluster = slurm_bench.open()
    testbed.run("scontrol", "update", "PartitionName=scav", "Hidden=YES")
    try:
        request = slurm_bench.shell(token, "sleep 60", resources=Resources(partition="scav"))
        assert await cluster.submit(request) is Admission.ACCEPTED
        await until(lambda: testbed.run("squeue", "--all", "-h", "-t", "R", "-o", "%j").count(token))
        assert (await cluster.poll([token]))[token].state is JobState.RUNNING
        await cluster.cancel([token])
        assert token not in testbed.run("squeue", "--all", "-h", "-o", "%j")
    finally:
        testbed.run("scontrol", "update", "PartitionName=scav", "Hidden=NO")


async def test_secrets_of_jobs_that_never_started_do_not_stay_on_the_cluster(slurm_bench, testbed, monkeypatch):
    connection = testbed.airflow_connection()
    connection["extra"]["secrets"] = {"HF_TOKEN": "canary"}
    monkeypatch.setenv("AIRFLOW_CONN_BED", json.dumps(connection))
    bench = with_config(slurm_bench, secrets=("HF_TOKEN",))
    cluster, state = bench.open(), Path(bench.config.state_dir)
    testbed.run("scontrol", "update", "partitionname=scav", "state=down")
    waits = bench.shell("oc-waits-e1", "true", resources=Resources(partition="scav"))
    await cluster.submit(waits)
    assert (state / "secrets" / "oc-waits-e1").read_text() == "HF_TOKEN=canary\0"
    testbed.cancel_jobs()
    testbed.run("scontrol", "update", "partitionname=scav", "state=up")
    (state / "queue.time").unlink()  # else the next submission believes what it saw less than two seconds ago
    await cluster.submit(bench.shell("oc-runs-e1", "echo $HF_TOKEN | md5sum"))
    await ended(cluster, "oc-runs-e1")
    with pytest.raises(JobRefused):
        await cluster.submit(bench.shell("oc-refused-e1", "true", num_gpus=99))
    assert list((state / "secrets").iterdir()) == []
