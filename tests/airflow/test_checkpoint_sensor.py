"""The sensor waits in the triggerer for a complete checkpoint that no evaluation was begun of."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import yaml

from checkpoint_folders import truncate, write_checkpoint
from opencompass_ops.errors import InputError
from opencompass_ops.series.config import ENVIRONMENT
from opencompass_ops.series.ledger import Ledger

pytestmark = pytest.mark.airflow


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the checkpoints of series ``run7`` appear."""
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    monkeypatch.setenv("OPENCOMPASS_OPS_DATABASE", f"sqlite:///{tmp_path}/results.db")
    monkeypatch.setattr("opencompass_ops.hooks.results.results_url", lambda: f"sqlite:///{tmp_path}/results.db")
    values = {
        "checkpoints": {"at": str(tmp_path / "ckpt"), "pattern": "step-{step}"},
        "suite": "nightly@3",
        "ready": {"settle_minutes": 0},
    }
    (tmp_path / "run7.yaml").write_text(yaml.safe_dump(values))
    (tmp_path / "ckpt").mkdir()
    return tmp_path / "ckpt"


def _deferred(after_step: int | str | None = None):
    from airflow.sdk.exceptions import TaskDeferred

    from opencompass_ops.sensors.checkpoint import NewCheckpointSensor

    sensor = NewCheckpointSensor(task_id="wait", series="run7", after_step=after_step, poke_interval=0.1)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute({})
    path, kwargs = deferred.value.trigger.serialize()
    assert path == "opencompass_ops.triggers.checkpoint.NewCheckpointTrigger"
    return sensor, type(deferred.value.trigger)(**kwargs)


async def _event(trigger) -> dict:
    async with asyncio.timeout(60):
        return (await anext(trigger.run())).payload


async def test_it_ends_when_a_checkpoint_is_whole(place: Path):
    folder = write_checkpoint(place / "step-100")
    weights = (folder / "model.safetensors").read_bytes()
    truncate(folder / "model.safetensors")
    sensor, trigger = _deferred()
    waiting = asyncio.create_task(_event(trigger))
    done, _ = await asyncio.wait([waiting], timeout=1)
    assert not done, "half a checkpoint is none"
    (folder / "model.safetensors").write_bytes(weights)
    (found,) = sensor.execute_complete({}, await waiting)
    assert (found["name"], found["step"]) == ("step-100", 100)


async def test_what_an_evaluation_was_begun_of_is_not_new(place: Path, tmp_path: Path):
    write_checkpoint(place / "step-100")
    _, trigger = _deferred()
    digest = (await _event(trigger))["checkpoints"][0]["digest"]
    with Ledger.open(f"sqlite:///{tmp_path}/results.db") as ledger, ledger.exclusive("run7") as book:
        book.begin(digest=digest, fingerprint="f", suite="s", name="step-100", step=100)
    write_checkpoint(place / "step-200", seed=2)
    _, trigger = _deferred()
    assert [one["name"] for one in (await _event(trigger))["checkpoints"]] == ["step-200"]


async def test_only_later_steps_count_where_it_says_so(place: Path):
    for step in (100, 200):
        write_checkpoint(place / f"step-{step}", seed=step)
    _, trigger = _deferred(after_step="100")
    assert [one["step"] for one in (await _event(trigger))["checkpoints"]] == [200]


async def test_a_series_that_was_made_wrong_meanwhile_is_told(place: Path, tmp_path: Path):
    sensor, trigger = _deferred()
    (tmp_path / "run7.yaml").write_text("suite: a")
    event = await _event(trigger)
    with pytest.raises(InputError, match="checkpoints is missing"):
        sensor.execute_complete({}, event)
