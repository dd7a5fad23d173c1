"""The bridge on a real Slurm: OpenCompass answers, scores and tabulates in jobs of another user, also in an image."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.containers import InferenceImage
from cluster.testbed import Testbed
from opencompass_ops.configs.bases import PACKAGE_VARIABLE
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import Manifest
from opencompass_ops.contract.spec import OPENCOMPASS
from opencompass_venv import XIEZHI, make_tiny_model, write_xiezhi
from small_world import SmallWorld, make_world

pytestmark = [pytest.mark.slurm, pytest.mark.soak, pytest.mark.timeout(1800)]

CLUSTER = """
kind = 'slurm'
connection_id = 'bed'
work_dir = {folder!r} + '/outputs'
data_dir = {folder!r}
state_dir = {folder!r} + '/state'
python = {folder!r} + '/python'
umask = '002'
group = {group!r}
probe_on = 'login'
poll_interval = 1
opencompass = {opencompass!r}
"""
CONFIG = """from opencompass.summarizers import MultiFacetedSummarizer
datasets = [dataset for dataset in datasets if dataset['abbr'] == 'xiezhi-spec_eng']
models = [dict(type='opencompass.models.HuggingFaceBaseModel', abbr='tiny', path={path!r}, max_out_len=4,
               max_seq_len=1024, batch_size=4, run_cfg=dict(num_gpus=0))]
summarizer = dict(type=MultiFacetedSummarizer, dataset_abbrs_list=[dict(name='all', dataset_abbrs=['xiezhi-spec_eng'])])
"""
NAMES = ("tiny", "xiezhi-spec_eng")


@pytest.fixture
def world(testbed: Testbed, monkeypatch: pytest.MonkeyPatch, opencompass_package: Path) -> Iterator[SmallWorld]:
    monkeypatch.setenv(PACKAGE_VARIABLE, str(opencompass_package))
    monkeypatch.setenv("AIRFLOW_CONN_BED", json.dumps(testbed.airflow_connection()))
    folder = testbed.make_folder(f"bridge-{uuid.uuid4().hex}")
    for made in make_world(folder, monkeypatch, interpreter=str(testbed.python)):
        for file in make_tiny_model(folder / "weights").iterdir():
            file.chmod(0o644)  # safetensors are written for their owner only
        write_xiezhi(folder)
        yield made


def interpreter(folder: Path, name: str, python: str, packages: str) -> str:
    """A program that is ``python`` with OpenCompass: the testbed's users cannot reach that of its own virtualenv."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nexport PYTHONPATH="$PYTHONPATH:{packages}"\nexec {python} "$@"\n')
    path.chmod(0o755)
    return str(path)


def run(world: SmallWorld, testbed: Testbed, opencompass: dict[str, object]) -> None:
    folder = world.folder
    text = CLUSTER.format(folder=str(folder), group=testbed.bed.group, opencompass=opencompass)
    (folder / "configs/clusters/slurm.py").write_text(text)
    path = world.config(XIEZHI + CONFIG.format(path=str(folder / "weights")))
    prepared, report = world.evaluate(path, cluster="slurm")
    plan, files = prepared.plan, LocalFiles(prepared.run_dir)
    assert {shard.engine for shard in plan.all_shards} == {OPENCOMPASS}
    assert [shard.kind for shard in plan.all_shards] == ["infer", "eval", "viz"]
    assert {shard.cluster for shard in plan.all_shards} == {"slurm"}
    assert not report.failures
    answers = json.loads(files.read(layout.prediction(*NAMES)))
    assert len(answers) == 10
    assert files.path(layout.prediction(*NAMES)).owner() == testbed.user
    manifest = Manifest.from_json(files.read(layout.manifest(layout.prediction(*NAMES))))
    assert manifest.details["versions"]["opencompass"]
    assert "accuracy" in json.loads(files.read(layout.result(*NAMES)))
    assert [name for name in report.files if name.endswith("/all.csv")]


def test_opencompass_answers_scores_and_tabulates_in_jobs_of_slurm(
    world: SmallWorld, testbed: Testbed, opencompass_package: Path
) -> None:
    python = interpreter(world.folder, "opencompass-python", str(testbed.python), str(opencompass_package))
    run(world, testbed, {"python": python})


def test_opencompass_answers_scores_and_tabulates_in_an_image(
    world: SmallWorld, testbed: Testbed, inference_image: InferenceImage, opencompass_package: Path
) -> None:
    """The image has no OpenCompass of its own: 8 GB; its packages are mounted, as those of the image's engine are."""
    inside = "/opt/opencompass"
    outside = interpreter(world.folder, "opencompass-python", str(testbed.python), str(opencompass_package))
    container = {
        "runtime": "podman",
        "image": inference_image.name,
        "archive": str(inference_image.archive),
        "mounts": {**inference_image.mounts, str(opencompass_package): f"{inside}:ro"},
        "gpu_args": [],
    }
    python = interpreter(world.folder, "image-python", "python", inside)
    run(world, testbed, {"container": container, "python": python, "probe_python": outside})
