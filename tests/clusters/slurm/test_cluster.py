"""What only Slurm has: jobs that something else submitted."""

from __future__ import annotations

import pytest
from backends import ended

from opencompass_ops.clusters.base import JobState

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
