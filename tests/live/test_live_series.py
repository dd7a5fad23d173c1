"""Training runs whose checkpoints are evaluated as they appear, under a live scheduler and triggerer."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from live_world import DAG, World, until

from checkpoint_folders import write_checkpoint
from opencompass_ops.results.store import Store
from opencompass_ops.series.ledger import SUCCEEDED, Ledger
from scripts.airflow_rest import AirflowRest
from scripts.embedded import EmbeddedAirflow
from soak_table import Record

pytestmark = pytest.mark.live

# Writes a checkpoint a moment, slowly and in the order of save_pretrained, as other weights of the same model.
TRAINER = """
import json, shutil, sys, time
from pathlib import Path
from safetensors.numpy import load_file, save
model, place, steps = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
for step in steps:
    folder = place / ("step-" + step)
    folder.mkdir(parents=True)
    shutil.copy(model / "config.json", folder)
    weights = {name: tensor * (1 + int(step) / 1e6) for name, tensor in load_file(model / "model.safetensors").items()}
    whole = save({name: tensor.astype("float32") for name, tensor in weights.items()}, {"format": "pt"})
    with (folder / "model.safetensors").open("wb") as stream:
        for begin in range(0, len(whole), 1 << 20):
            stream.write(whole[begin : begin + (1 << 20)])
            stream.flush()
            time.sleep(0.2)
    for file in model.iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            shutil.copy(file, folder)
    (folder / "DONE").touch()
"""


def switch_on(rest: AirflowRest, dag_id: str) -> None:
    """Wait until the DAG is known, see that it is paused, and switch it on."""
    rest.wait_for_dag(dag_id)
    assert rest.request("GET", f"dags/{dag_id}")["is_paused"]
    rest.request("PATCH", f"dags/{dag_id}", json={"is_paused": False})


def evaluations(rest: AirflowRest, dag_id: str, series: str) -> list[dict[str, Any]]:
    """The runs that are evaluations of a series, as Airflow knows them, in the order of their making."""
    answer = rest.request("GET", f"dags/{dag_id}/dagRuns", params={"limit": 100, "order_by": "run_after"})
    return [run for run in answer["dag_runs"] if run["dag_run_id"].startswith(f"series__{series}__")]


@pytest.mark.timeout(900)
def test_a_trainer_writes_and_every_checkpoint_is_evaluated_once_and_the_curve_appears(world: World):
    place, steps = world.place / "ckpt", [100, 200, 300]
    (world.folder / "configs" / "series").mkdir()
    values = {
        "checkpoints": {"at": str(place), "pattern": "step-{step}"},
        "ready": {"settle_minutes": 0.01, "marker": "DONE"},
        "suite": world.config("series", rows=8),
        "cluster": world.cluster,
        "schedule": "* * * * *",
        "params": {"work_dir": str(world.place / "outputs" / "series")},
    }
    (world.folder / "configs" / "series" / "live.yaml").write_text(yaml.safe_dump(values))
    rest, looks = world.airflow.rest, "opencompass_checkpoints_live"
    switch_on(rest, looks)
    trainer = subprocess.Popen(
        [sys.executable, "-c", TRAINER, str(world.place / "model"), str(place), *map(str, steps)]
    )
    for step in steps:
        until((place / f"step-{step}" / "DONE").exists, f"step {step}", 120)
        rest.wait(looks, rest.trigger(looks, {}))  # as a trainer's own call would, beside the clock
    assert trainer.wait(60) == 0
    until(lambda: len(evaluations(rest, DAG, "live")) == 3, "third evaluation", 120)
    runs = evaluations(rest, DAG, "live")
    for run in runs:
        world.assert_green(run["dag_run_id"])
        assert list(world.starts(world.run_dir(run["dag_run_id"])).values()) == [1, 1]  # one shard, one evaluation
    assert [run["conf"]["model_overrides"][0]["abbr"] for run in runs] == [f"live-step-{step}" for step in steps]
    rest.wait(looks, rest.trigger(looks, {}))
    with Ledger.open(f"sqlite:///{world.folder / 'results.db'}") as ledger:
        rows = ledger.evaluations("live")
    assert [(row.step, row.version, row.attempts, row.state) for row in rows] == [
        (step, f"0.0.{number}", 1, SUCCEEDED) for number, step in enumerate(steps, start=1)
    ]
    with Store.open(f"sqlite:///{world.folder / 'results.db'}") as store:
        assert [score.step for score in store.history(series="live")] == steps
    assert len(evaluations(rest, DAG, "live")) == 3
    rest.request("PATCH", f"dags/{looks}", json={"is_paused": True})


RECORDER = """
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("recorder", schedule=None, max_active_runs=100) as dag:
    EmptyOperator(task_id="nothing")
"""


@contextmanager
def own_airflow(folder: Path, repo: Path) -> Iterator[EmbeddedAirflow]:
    """An Airflow that soon notices that the workers of a killed scheduler are gone."""
    dags = folder / "dags"
    dags.mkdir()
    (dags / "recorder.py").write_text(RECORDER)
    (dags / "checkpoints.py").write_text((repo / "dags" / "opencompass_checkpoints.py").read_text())
    env = {
        "OPENCOMPASS_OPS_CONFIG_DIR": str(folder / "configs"),
        "OPENCOMPASS_OPS_DATABASE": f"sqlite:///{folder / 'results.db'}",
        "OPENCOMPASS_OPS_HOME": str(folder),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
        "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "10",
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "10",
    }
    with EmbeddedAirflow(folder / "airflow", dags=dags, env=env, cache=repo / ".cache") as airflow:
        airflow.rest.wait_for_dag("recorder")
        yield airflow


@pytest.mark.soak
@pytest.mark.timeout(1500)
def test_looks_that_overlap_and_a_killed_scheduler_begin_each_of_fifty_once(tmp_path: Path, repo: Path, record: Record):
    for step in range(50):
        write_checkpoint(tmp_path / "ckpt" / f"step-{step}", seed=step)
    (tmp_path / "configs" / "series").mkdir(parents=True)
    (tmp_path / "configs" / "eval_nothing.py").write_text("models = []\ndatasets = []\n")
    values = {
        "checkpoints": {"at": str(tmp_path / "ckpt"), "pattern": "step-{step}"},
        "ready": {"settle_minutes": 0},
        "suite": "eval_nothing",
        "dag": "recorder",
    }
    (tmp_path / "configs" / "series" / "many.yaml").write_text(yaml.safe_dump(values))
    looks = "opencompass_checkpoints_many"
    with own_airflow(tmp_path, repo) as airflow:
        rest, begun = airflow.rest, time.monotonic()
        switch_on(rest, looks)
        overlapping = [rest.trigger(looks, {}) for _ in range(2)]
        until(lambda: len(evaluations(rest, "recorder", "many")) >= 10, "tenth evaluation", 300)
        before = len(evaluations(rest, "recorder", "many"))
        assert before < 50, "it was to be killed in between"
        airflow.kill("scheduler")
        airflow.start("scheduler")
        for look in overlapping:
            rest.wait(looks, look, timeout=900)
        rest.wait(looks, rest.trigger(looks, {}), timeout=300)
        runs = evaluations(rest, "recorder", "many")
        until(lambda: all(run["state"] == "success" for run in evaluations(rest, "recorder", "many")), "last end", 120)
        rest.wait(looks, rest.trigger(looks, {}), timeout=300)
    paths = [run["conf"]["model_overrides"][0]["path"] for run in runs]
    assert sorted(paths) == sorted(str(tmp_path / "ckpt" / f"step-{step}") for step in range(50))
    with Ledger.open(f"sqlite:///{tmp_path / 'results.db'}") as ledger:
        rows = ledger.evaluations("many")
    assert [(row.step, row.attempts, row.state) for row in rows] == [(step, 1, SUCCEEDED) for step in range(50)]
    record(
        "checkpoints of a series, two looks at once, scheduler killed (SIGKILL)",
        "50 checkpoints, 2 overlapping looks and 2 later ones, 1 kill",
        f"{len(runs)} evaluations of {len(set(paths))} checkpoints, {before} begun when it was killed, none twice, "
        f"{time.monotonic() - begun:.0f} s",
    )
