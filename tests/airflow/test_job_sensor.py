"""Sensors watch real jobs on the poller that all of an account share."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.airflow


def submit(folder: Path, code: int) -> tuple[dict[str, Any], str]:
    """Start a real job that ends with ``code``; returns its cluster's values and its token."""
    import asyncio

    from opencompass_ops.clusters.base import JobRequest
    from opencompass_ops.clusters.config import ClusterConfig
    from opencompass_ops.clusters.registry import open_cluster

    token = f"oc-sensor-e{code}"
    config = ClusterConfig.from_values("local", {"kind": "local", "state_dir": str(folder / "state")})
    request = JobRequest(
        token=token,
        group=f"g{code}",
        max_running=1,
        argv=(sys.executable, "-c", f"raise SystemExit({code})"),
        run_dir=str(folder),
        log_path="logs/x.out",
        job_dir=f"jobs/{token}",
    )
    asyncio.run(open_cluster(config).submit(request))
    return config.to_values(), token


async def first_event(cluster: dict[str, Any], *jobs: str) -> Any:
    from opencompass_ops.triggers.job import JobTrigger

    async for event in JobTrigger(cluster, list(jobs)).run():
        return event
    return None


def context() -> Any:
    """What Airflow hands to a task; pushed XComs are kept."""
    xcoms: dict[str, Any] = {}
    return {"ti": SimpleNamespace(xcoms=xcoms, xcom_push=lambda key, value: xcoms.update({key: value}))}


def deferral(sensor: Any) -> dict[str, Any]:
    """What the trigger is told."""
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})
    assert deferred.value.timeout == sensor.timeout
    return deferred.value.trigger.serialize()[1]


def test_success_of_all_jobs_ends_the_task_without_another_worker(tmp_path):
    import asyncio

    cluster, token = submit(tmp_path, 0)
    event = asyncio.run(first_event(cluster, token))
    assert event.task_instance_state == "success"
    assert event.xcoms["jobs"][token]["state"] == "succeeded"


def test_one_failed_job_fails_them_all_and_is_named(tmp_path):
    import asyncio

    from opencompass_ops.errors import JobFailed
    from opencompass_ops.sensors.job import JobSensor

    cluster, good = submit(tmp_path, 0)
    _, bad = submit(tmp_path, 3)
    ends = asyncio.run(first_event(cluster, good, bad)).payload
    given = context()
    with pytest.raises(JobFailed, match=f"^job {bad} is failed: ended with code 3\nits log tells more$"):
        JobSensor(task_id="wait", cluster="local", token=bad).execute_complete(given, ends)
    assert given["ti"].xcoms["jobs"] == ends


def test_the_sensor_of_a_token_defers_at_once():
    from opencompass_ops.sensors.job import JobSensor

    assert deferral(JobSensor(task_id="wait", cluster="local", token="oc-1"))["jobs"] == ["oc-1"]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster config that is called slurm."""
    (tmp_path / "clusters").mkdir()
    (tmp_path / "clusters/slurm.py").write_text("kind = 'slurm'\n")
    (tmp_path / "clusters/local.py").write_text("kind = 'local'\n")
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(tmp_path))


@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize(
    ("given", "jobs"),
    [
        ({"job_ids": 17}, ["job:17"]),
        ({"job_ids": "17"}, ["job:17"]),
        ({"job_ids": [17, "18 "]}, ["job:17", "job:18"]),
        ({"job_name": "train"}, ["name:train"]),
    ],
    ids=str,
)
def test_slurm_jobs_are_named_by_ids_or_by_name(given, jobs):
    from opencompass_ops.sensors.slurm import SlurmJobSensor

    assert deferral(SlurmJobSensor(task_id="wait", cluster="slurm", **given))["jobs"] == jobs


@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "job_ids=\\(\\), job_name='': give one of the two"),
        ({"job_ids": 1, "job_name": "x"}, "give one of the two"),
        ({"job_ids": "17; rm"}, "'17; rm' is no id"),
        ({"job_ids": 17, "cluster": "local"}, "cluster 'local' is of kind 'local'; name one of kind 'slurm'"),
    ],
    ids=str,
)
def test_a_slurm_sensor_that_cannot_wait_says_why(given, message):
    from opencompass_ops.errors import InputError
    from opencompass_ops.sensors.slurm import SlurmJobSensor

    with pytest.raises(InputError, match=message):
        SlurmJobSensor(task_id="wait", **{"cluster": "slurm", **given}).execute({})
