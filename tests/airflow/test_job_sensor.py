"""The sensor watches a real local job on the shared poller."""

from __future__ import annotations

import sys
from pathlib import Path
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
        group="g",
        max_running=1,
        argv=(sys.executable, "-c", f"raise SystemExit({code})"),
        run_dir=str(folder),
        log_path="logs/x.out",
        job_dir=f"jobs/{token}",
    )
    asyncio.run(open_cluster(config).submit(request))
    return config.to_values(), token


async def first_event(cluster: dict[str, Any], token: str) -> Any:
    from opencompass_ops.triggers.job import JobTrigger

    async for event in JobTrigger(cluster, token).run():
        return event.payload
    return None


@pytest.mark.parametrize(("code", "state"), [(0, "succeeded"), (3, "failed")])
def test_the_trigger_tells_how_the_job_ended(tmp_path, code, state):
    import asyncio

    payload = asyncio.run(first_event(*submit(tmp_path, code)))
    assert payload["state"] == state


def test_the_sensor_defers_at_once_and_fails_for_every_end_but_success():
    from airflow.sdk.exceptions import TaskDeferred

    from opencompass_ops.errors import JobFailed
    from opencompass_ops.sensors.job import JobSensor

    sensor = JobSensor(task_id="wait", cluster="local", token="oc-1")
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})
    assert deferred.value.trigger.serialize()[1]["token"] == "oc-1"
    sensor.execute_complete({}, {"state": "succeeded", "reason": ""})
    with pytest.raises(JobFailed, match="oc-1 is lost: the host restarted"):
        sensor.execute_complete({}, {"state": "lost", "reason": "the host restarted"})
