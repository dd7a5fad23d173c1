"""Limits on real jobs: what runs too long stops, tells why, and goes on where it stood."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from opencompass_ops.budgets import ledger, meter
from opencompass_ops.budgets.hours import HOUR, today
from opencompass_ops.budgets.site import RUN, Scope
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan, PlannedLimits
from opencompass_ops.errors import InputError, LimitReached, PlanError
from opencompass_ops.results.rows import UsageRow
from opencompass_ops.results.store import Store
from opencompass_ops.runner import run_plan
from opencompass_ops.summarize import summarize
from small_world import SmallWorld, make_world

pytestmark = pytest.mark.process


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv(meter.TICK, "0.2")
    monkeypatch.setenv("OPENCOMPASS_OPS_KILL_GRACE", "0.5")
    yield from make_world(tmp_path, monkeypatch)


def change(run_dir, gpus=None, **limits) -> Plan:
    """Write other limits into a plan, and so many GPUs that nobody has to have."""
    files = LocalFiles(run_dir)
    plan = Plan.from_json(files.read(layout.PLAN))
    shards = plan.shards if gpus is None else tuple(replace(shard, num_gpus=gpus) for shard in plan.shards)
    plan = replace(plan, limits=replace(plan.limits, **limits), shards=shards)
    files.write(layout.PLAN, plan.to_json())
    return plan


def run(world: SmallWorld, run_dir) -> dict[str, str]:
    return asyncio.run(run_plan(run_dir, say=lambda line: None, database_url=world.url))


def test_limits_of_the_clock_are_on_unless_they_are_switched_off(world: SmallWorld):
    limits = world.prepare(world.config(), dry_run=True).plan.limits
    assert isinstance(limits, PlannedLimits)
    assert (limits.shard_seconds, limits.run_seconds, limits.gpu_seconds) == (6 * HOUR, 24 * HOUR, None)
    off = {"shard_hours": "off", "run_hours": "off", "gpu_hours": "1.5", "dry_run": True}
    limits = world.prepare(world.config(), **off).plan.limits
    assert (limits.shard_seconds, limits.run_seconds, limits.gpu_seconds) == (None, None, 1.5 * HOUR)
    with pytest.raises(InputError, match="shard_hours='0': "):
        world.prepare(world.config(), shard_hours="0")  # no limit, or nothing at all?


def test_a_shard_that_runs_too_long_stops_and_the_run_goes_on_where_it_stood(world: SmallWorld):
    world.rows(40)
    hold = world.hold(after=15)
    prepared = world.prepare(world.config(), retry=0)
    change(prepared.run_dir, shard_seconds=1.0)
    failed = run(world, prepared.run_dir)
    (why,) = [why for shard, why in failed.items() if shard.startswith("infer")]
    assert "stopped by a limit: 0 h of the clock per shard" in why
    assert f"-r {prepared.run_dir.name}" in why
    report = summarize(prepared.run_dir, database_url=world.url)
    assert any(
        note.startswith("budget exceeded: 0 h of the clock per shard: 1 shards stopped") for note in report.notes
    )
    (event,) = [json.loads(line) for line in (prepared.run_dir / layout.EVENTS).read_text().splitlines()]
    assert (event["event"], event["label"], event["was_running"]) == ("budget exceeded", "tiny/sums", True)

    hold.unlink()
    again = world.prepare(world.config(), reuse=prepared.run_dir.name)
    assert run(world, again.run_dir) == {}
    answered = [
        line
        for job in world.jobs(again.run_dir, "infer")
        if LocalFiles(again.run_dir).exists(layout.job(job, "answered"))  # on a busy machine it had not come so far
        for line in LocalFiles(again.run_dir).read(layout.job(job, "answered")).decode().splitlines()
    ]
    assert len(answered) == len(set(answered)) == 40, "no row was answered twice"
    report = summarize(again.run_dir, database_url=world.url)
    assert not any("budget exceeded" in note for note in report.notes), "that was the launch before"


def test_the_end_of_a_run_s_time_stops_what_runs_and_begins_nothing_more(world: SmallWorld):
    world.rows(40)
    world.hold(after=1)
    prepared = world.prepare(world.config(), max_partition_size=400, max_num_workers=1, retry=3)
    change(prepared.run_dir, run_seconds=2.0)
    failed = run(world, prepared.run_dir)
    assert {shard.id for shard in prepared.plan.shards} <= set(failed)
    first, second = (failed[shard.id] for shard in prepared.plan.shards)
    assert "stopped by a limit: 0.001 h of the clock per run" in first
    assert "not begun because of a limit: 0.001 h of the clock per run" in second
    assert len(world.jobs(prepared.run_dir, "infer")) == 2, "neither is tried again"


def test_when_gpu_hours_run_out_the_newest_shards_stop_and_what_was_used_is_booked(world: SmallWorld):
    world.rows(60)
    world.hold(after=1)
    prepared = world.prepare(
        world.config(), max_partition_size=400, max_num_workers=3, retry=0, gpu_hours="1", series="run7"
    )
    plan = change(prepared.run_dir, gpus=8, user="alice", gpu_seconds=20.0)
    assert len(plan.shards) == 3
    failed = run(world, prepared.run_dir)
    assert all("limit: 0.00555556 GPU-hours of the run" in failed[shard.id] for shard in plan.shards)
    with Store.open(world.url) as store:
        booked = ledger.spent(store, Scope(RUN, str(prepared.run_dir), "", 0.0))
        assert [row[1:3] for row in store.usage()] == [("alice", "run7")]
        assert ledger.gpu_hours(store, "run7") == pytest.approx(booked / HOUR)
    assert 20.0 <= booked <= 400.0
    (note,) = [n for n in summarize(prepared.run_dir, database_url=world.url).notes if "were used" in n]
    assert note.endswith("GPU-hours were used by alice")
    again = {"max_partition_size": 400, "reuse": prepared.run_dir.name, "dry_run": True}
    (warning,) = world.prepare(world.config(), gpu_hours="0.001", **again).plan.warnings
    assert warning.startswith("no job with GPUs would begin: 0.001 GPU-hours of the run: 0.0"), "of all its launches"
    assert world.prepare(world.config(), gpu_hours="1", **again).plan.warnings == ()


def test_nothing_with_gpus_begins_on_a_day_whose_hours_are_used_up(world: SmallWorld):
    (world.folder / "configs" / "budgets.yaml").write_text("everyone: {day: 2}")
    with Store.open(world.url) as store:
        store.record_usage([UsageRow("t", today(), "bob", "", "/r", "c", 8, 2 * HOUR)])
    assert world.prepare(world.config(), dry_run=True).plan.warnings[-1].startswith("no job with GPUs would begin: 2 ")
    asked = world.config(None, ("max_out_len=4", "max_out_len=4, run_cfg=dict(num_gpus=1)"))
    with pytest.raises(PlanError, match=r"GPU-hours are used up:\n- 2 GPU-hours of everyone .* 2\.0 are used"):
        world.prepare(asked)
    assert world.runs() == []
    world.evaluate(world.config())


def test_a_ledger_that_cannot_be_reached_stops_nothing_and_is_told(world: SmallWorld, caplog):
    prepared = world.prepare(world.config())
    change(prepared.run_dir, gpus=1)
    failed = asyncio.run(
        run_plan(prepared.run_dir, say=lambda line: None, database_url="sqlite:////proc/nowhere/results.db")
    )
    assert failed == {}
    assert "GPU-hours are not counted for now" in caplog.text


def test_the_error_of_a_limit_is_never_tried_again():
    from opencompass_ops.clusters.budgets import may_retry

    assert may_retry(LimitReached("x"), tries=1, retry=9) == (
        False,
        "not tried again: LimitReached would happen again",
    )
