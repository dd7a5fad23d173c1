"""A secret of the connection reaches the job on a real Slurm and shows nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opencompass_ops.clusters.base import JobState
from opencompass_ops.contract import layout
from tests.canary import PROVE, Canary
from tests.clusters.backends import Bench, ended, slurm_ssh, until, with_config

pytestmark = pytest.mark.slurm

TOKEN = "oc-1a2b3c-4d5e6f78-infer-0000-3fa9c1-e1"
HOLDS = "import time\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)"


@pytest.fixture
def canary():
    return Canary()


@pytest.fixture
def bench(request, tmp_path, testbed, monkeypatch, canary) -> Bench:
    connection = testbed.airflow_connection()
    connection["extra"]["secrets"] = {"HF_TOKEN": canary.secret}
    bench = slurm_ssh(request, tmp_path)
    monkeypatch.setenv("AIRFLOW_CONN_CANARY", json.dumps(connection))
    # A setup that tells all it knows, and everything it does.
    return with_config(bench, connection_id="canary", secrets=("HF_TOKEN",), setup=("env", "set -x", "export -p"))


async def test_a_secret_reaches_the_job_and_shows_nowhere(bench, canary, testbed):
    cluster, proof = bench.open(), bench.run_dir / "proof"
    script = PROVE.format(path=str(proof), name=b"HF_TOKEN")
    with canary:
        await cluster.submit(bench.python(TOKEN, f"{script}\n{HOLDS}", title="canary"))
        await until(proof.exists)
        job_id = (bench.run_dir / layout.job(TOKEN, "slurm.job")).read_text().strip()
        said = [
            testbed.run("scontrol", "show", "job", job_id),
            testbed.run("scontrol", "write", "batch_script", job_id, "-"),
            testbed.run("squeue", "--all", "--format=%all"),
        ]
        assert canary.shown_in([testbed.bed.folder]) == []
        (bench.run_dir / "go").touch()
        status = await ended(cluster, TOKEN)
    said += [testbed.run("sacct", "-j", job_id, option) for option in ("--batch-script", "--env-vars", "--long")]
    assert (status.state, proof.read_text()) == (JobState.SUCCEEDED, canary.digest)
    assert [text for text in said if canary.secret in text] == []
    assert canary.shown_in([testbed.bed.folder]) == []
    assert canary.argvs == set()
    # All of it was looked at: the canary's job is in there.
    assert sum(TOKEN in text for text in said) >= 3
    assert len(canary.processes) > 10
    assert Path(bench.config.state_dir).is_relative_to(testbed.bed.folder)
