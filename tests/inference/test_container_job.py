"""A shard answered in our own image, by a job of a real Slurm."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from opencompass_ops.clusters.base import JobState
from opencompass_ops.clusters.software import Container
from opencompass_ops.contract import layout
from opencompass_ops.contract.evidence import job_problem, read_exit
from opencompass_ops.contract.files import LocalFiles
from tests.clusters.backends import ended, slurm_ssh, with_config

pytestmark = [pytest.mark.slurm, pytest.mark.model]

TOKEN = "oc-abcdef-12345678-infer-0000-e1"


@pytest.fixture
def bench(request, tmp_path, inference_image, tiny_model, rows_dir):
    bench = slurm_ssh(request, tmp_path)
    for folder in (tiny_model, rows_dir):
        copy = shutil.copytree(folder, f"{bench.config.work_dir}/{folder.name}")
        for path in (Path(copy), *Path(copy).rglob("*")):
            path.chmod(0o755)  # pytest and safetensors write for their user only
    image = inference_image
    container = Container("podman", image.name, str(image.archive), image.mounts)
    return with_config(bench, container=container, python="python")


async def test_a_shard_is_answered_in_a_container(bench, make_spec, gen_dataset, tiny_model, rows_dir):
    place = bench.config.work_dir
    spec = make_spec(gen_dataset, model={"path": f"{place}/{tiny_model.name}"})
    spec = replace(spec, data_dir=f"{place}/{rows_dir.name}")
    files = LocalFiles(bench.run_dir)
    files.write(layout.shard_spec(spec.id), spec.to_json())
    argv = ("python", "-m", "inference", "infer", str(files.path(layout.shard_spec(spec.id))))
    cluster = bench.open()
    await cluster.submit(bench.request(TOKEN, *argv, "--run-dir", str(bench.run_dir), "--token", TOKEN))
    status = await ended(cluster, TOKEN, 120)
    assert status.state is JobState.SUCCEEDED, bench.log(TOKEN)
    assert job_problem(files, spec, TOKEN) == ""
    assert read_exit(files, TOKEN).job_id == status.job_id
