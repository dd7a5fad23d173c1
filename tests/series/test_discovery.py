"""One tick after the other: each (weights, suite) is evaluated once, whatever happens to checkpoints and runs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from checkpoint_folders import truncate
from opencompass_ops.budgets.hours import today
from opencompass_ops.budgets.site import ENVIRONMENT
from opencompass_ops.contract.probe import ModelProbe, ProbeReport
from opencompass_ops.errors import InputError, PlanError, UnsureError
from opencompass_ops.prepare import _refuse_others
from opencompass_ops.results.rows import UsageRow
from opencompass_ops.results.store import Store
from opencompass_ops.series.discovery import evaluation_params
from opencompass_ops.series.folder import FolderPlace
from opencompass_ops.series.ledger import FAILED, GONE, INCOMPLETE, OUTSIDE, READY, STARTED, SUCCEEDED
from opencompass_ops.series.listing import status_table
from opencompass_ops.series.terms import Terms, terms
from series_world import SeriesWorld, no_keys


def test_new_checkpoints_begin_in_order_and_once(world: SeriesWorld):
    for step in (300, 100, 200):
        world.write(step)
    assert world.tick() == ["step-100#1", "step-200#1", "step-300#1"]
    assert world.tick() == []
    world.write(400)
    assert world.tick() == ["step-400#1"]
    assert [(row.version, row.name) for row in world.evaluations()] == [
        ("0.0.1", "step-100"), ("0.0.2", "step-200"), ("0.0.3", "step-300"), ("0.0.4", "step-400"),
    ]  # fmt: skip


def test_an_incomplete_one_waits_with_its_reason_and_has_its_turn_when_it_is_whole(world: SeriesWorld):
    folder = world.write(100)
    truncate(folder / "model.safetensors")
    world.write(200)
    assert world.tick() == ["step-200#1"]
    assert world.sighting(100).state == INCOMPLETE
    assert "header promises" in world.sighting(100).reason
    world.write(100)
    assert world.tick() == ["step-100#1"]


def test_one_that_is_overwritten_in_place_is_a_new_one(world: SeriesWorld):
    world.write(100)
    assert world.tick() == ["step-100#1"]
    world.write(100, seed=7)
    assert world.tick() == ["step-100#1"]
    first, second = world.evaluations()
    assert (first.version, second.version) == ("0.0.1", "0.0.2")
    assert first.digest != second.digest
    assert first.run_id != second.run_id


def test_the_same_weights_under_another_name_are_no_new_ones(world: SeriesWorld):
    world.write(100, seed=1)
    world.write(200, seed=1)
    assert world.tick() == ["step-100#1"]
    for _ in range(3):
        assert world.sighting(200).reason == "same weights as step-100"
        assert world.tick() == []
    table = status_table(world.ledger.sightings("run7").values(), world.evaluations(), 3).splitlines()
    assert [line.split()[1:3] for line in table[2:]] == [["step-100", "0.0.1"], ["step-200", "twin"]]


def test_one_that_is_deleted_before_its_turn_is_listed_so(world: SeriesWorld):
    world.limits(per_day=1)
    world.write(100)
    folder = world.write(200)
    assert world.tick() == ["step-100#1"]
    assert world.sighting(200).reason == "waits: 0 of 1 evaluations of the last 24 h are begun"
    shutil.rmtree(folder)
    assert world.tick() == []
    assert world.sighting(200).state == GONE
    assert world.sighting(200).reason.startswith("deleted after ")
    world.write(200)
    world.limits(per_day=2)
    assert world.tick() == ["step-200#1"], "and is looked at anew when it comes back"


def test_a_place_that_vanishes_is_no_reason_to_believe_that_all_is_deleted(world: SeriesWorld):
    world.write(100)
    world.tick()
    (world.folder / "ckpt").rename(world.folder / "elsewhere")
    with pytest.raises(UnsureError, match="is it still mounted"):
        world.tick()
    assert world.sighting(100).state == READY


def test_a_place_that_is_not_there_yet_is_no_failure(world: SeriesWorld):
    (world.folder / "ckpt").rmdir()
    assert world.tick() == []


def test_a_failed_evaluation_has_another_turn_until_its_attempts_are_used_up(world: SeriesWorld):
    world.limits(attempts=2)
    world.write(100)
    assert world.tick("failed") == ["step-100#1"]
    assert world.tick("failed") == ["step-100#2"]
    assert world.tick("failed") == []
    (row,) = world.evaluations()
    assert (row.state, row.attempts, row.version) == (FAILED, 2, "0.0.1")
    assert world.tick(checkpoints=["step-100"]) == ["step-100#3"], "unless somebody names it"
    world.tick()
    assert world.evaluations()[0].state == SUCCEEDED


def test_a_failed_run_that_somebody_clears_is_alive_and_no_second_one_begins(world: SeriesWorld):
    world.write(100)
    world.tick("failed")
    (row,) = world.evaluations()
    world.states[row.run_id] = "running"
    assert world.tick() == []
    assert world.evaluations()[0].state == STARTED
    world.states[row.run_id] = "success"
    assert world.tick() == []
    assert world.evaluations()[0].state == SUCCEEDED


def test_a_successful_run_that_somebody_clears_begins_no_second_one(world: SeriesWorld):
    world.write(100)
    world.tick()
    world.tick()
    (row,) = world.evaluations()
    world.states[row.run_id] = "failed"
    assert world.tick() == []
    assert world.evaluations()[0].state == SUCCEEDED, "the scores of the first time stay"


def test_who_died_before_the_runs_were_made_is_made_up_for_with_the_same_run(world: SeriesWorld):
    world.write(100)
    assert world.tick(end=None) == ["step-100#1"]
    (row,) = world.evaluations()
    assert world.tick() == ["step-100#1"]
    assert world.evaluations()[0].run_id == row.run_id


def test_limits_say_which_steps_are_meant(world: SeriesWorld):
    world.limits(every=100, after_step=100, before_step=400)
    for step in (100, 150, 200, 300, 400):
        world.write(step)
    assert world.tick() == ["step-200#1", "step-300#1"]
    assert world.sighting(150).state == OUTSIDE
    assert world.sighting(150).reason == "step is no multiple of 100"


def test_newest_first_and_few_at_once(world: SeriesWorld):
    world.limits(newest_first=True, at_once=1)
    for step in (100, 200, 300):
        world.write(step)
    assert world.tick("running") == ["step-300#1"]
    assert world.tick() == []
    world.states = dict.fromkeys(world.states, "success")
    assert world.tick() == ["step-200#1"]


def test_a_series_that_has_used_its_gpu_hours_begins_nothing_more(world: SeriesWorld, tmp_path: Path):
    world.limits(gpu_hours=2)
    world.write(100)
    row = UsageRow("token", "2026-11-21", "ann", "run7", "/runs/1", "local", 8, 7200.0)
    with Store.open(f"sqlite:///{tmp_path}/results.db") as store:
        store.record_usage([row])
    assert world.tick() == []
    assert world.sighting(100).reason == "waits: 2.0 of 2 GPU-hours are spent"
    world.limits(gpu_hours=3)
    assert world.tick() == ["step-100#1"]


def test_a_series_begins_nothing_while_the_hours_that_the_site_grants_it_are_used_up(
    world: SeriesWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    grants = tmp_path / "budgets.yaml"
    grants.write_text("each_series: {day: 2}")
    monkeypatch.setenv(ENVIRONMENT, str(grants))
    world.write(100)
    rows = [UsageRow(series, today(), "ann", series, "/runs/1", "local", 8, 7200.0) for series in ("run7", "run8")]
    with Store.open(f"sqlite:///{tmp_path}/results.db") as store:
        store.record_usage([replace(rows[0], day="2026-01-01"), rows[1]])
        assert world.tick(end="running") == ["step-100#1"], "yesterday and another series do not count"
        store.record_usage(rows)
    world.write(200)
    assert world.tick() == []
    assert world.sighting(200).reason == f"waits: 2 GPU-hours of series 'run7' on {today()} (UTC): 2.0 are used"
    grants.write_text("each_series: {day: 2}\nseries: {run7: {day: 3}}")
    assert world.tick() == ["step-200#1"]
    grants.write_text("everyone: {day: 4}")
    world.write(300)
    assert world.tick() == [], "those of everyone hold too"


def test_another_suite_evaluates_what_comes_and_a_backfill_what_is_there(world: SeriesWorld):
    world.write(100)
    world.tick()
    world.values["suite"] = "nightly@2"
    assert world.tick() == []
    world.write(200)
    assert world.tick() == ["step-200#1"]
    assert world.tick(backfill=True) == ["step-100#1"]
    assert world.tick(backfill=True) == []
    done = {(row.suite, row.name, row.version) for row in world.evaluations()}
    assert done == {
        ("nightly@1", "step-100", "0.0.1"), ("nightly@2", "step-100", "0.0.1"), ("nightly@2", "step-200", "0.0.2"),
    }  # fmt: skip


def test_a_backfill_of_a_named_suite_over_some_steps_ignores_the_limit_per_day(world: SeriesWorld):
    world.limits(per_day=3)
    for step in (100, 200, 300):
        world.write(step)
    assert len(world.tick()) == 3
    assert world.tick(backfill=True, suite="extra@1", after_step=100) == ["step-200#1", "step-300#1"]
    world.tick()
    assert {row.suite for row in world.evaluations() if row.step == 300} == {"nightly@1", "extra@1"}


def test_what_a_look_asks_for_changes_nothing_of_what_the_series_means(world: SeriesWorld):
    world.limits(every=100)
    for step in (50, 100, 200):
        world.write(step)
    world.tick()
    assert world.tick(backfill=True, suite="extra@1", after_step=100) == ["step-200#1"]
    assert [world.sighting(step).state for step in (50, 100, 200)] == [OUTSIDE, READY, READY]
    assert world.tick(checkpoints=["step-50"]) == ["step-50#1"]
    assert world.sighting(50).state == OUTSIDE
    assert world.sighting(50).reason == "step is no multiple of 100"


def test_only_what_is_named_is_looked_into(world: SeriesWorld, monkeypatch: pytest.MonkeyPatch):
    world.limits(every=1000)
    for step in (1, 2, 3):
        world.write(step)
    looked: list[str] = []
    inspect = FolderPlace.inspect

    async def noted(place: FolderPlace, seen: Any, checksums: str = "") -> Any:
        looked.extend(one.name for one in seen)
        return await inspect(place, seen, checksums)

    monkeypatch.setattr(FolderPlace, "inspect", noted)
    assert world.tick(checkpoints=["step-2"]) == ["step-2#1"]
    assert looked == ["step-2"]


def test_attempts_count_for_the_limit_of_a_day(world: SeriesWorld):
    world.limits(per_day=3, attempts=3)
    world.write(100)
    assert world.tick("failed") == ["step-100#1"]
    assert world.tick("failed") == ["step-100#2"]
    assert world.tick("failed") == ["step-100#3"]
    world.write(200)
    assert world.tick() == []
    assert world.sighting(200).reason == "waits: 3 of 3 evaluations of the last 24 h are begun"


def test_what_its_owner_is_granted_holds_for_a_series(
    world: SeriesWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "budgets.yaml").write_text("users: {ann: {total: 2}}")
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path / "budgets.yaml"))
    world.write(100)
    with Store.open(f"sqlite:///{tmp_path}/results.db") as store:
        store.record_usage([UsageRow("token", "2026-11-21", "ann", "other", "/runs/1", "local", 8, 7200.0)])
    world.values["owner"] = "ann"
    assert world.tick() == []
    assert world.sighting(100).reason == "waits: 2 GPU-hours of user 'ann': 2.0 are used"
    world.values.pop("owner")
    assert world.tick(user="ann") == [], "who had it look, where nobody owns it"
    world.values["owner"] = "bob"
    assert world.tick(user="ann") == ["step-100#1"]


def test_evaluations_go_on_the_owners_account_and_keep_to_what_the_series_may_use(
    world: SeriesWorld, monkeypatch: pytest.MonkeyPatch
):
    (world.folder / "series").mkdir()
    monkeypatch.setenv("OPENCOMPASS_OPS_SERIES", str(world.folder / "series"))
    world.values |= {"owner": "ann", "limits": {"gpu_hours": 7}}
    (world.folder / "series" / "run7.yaml").write_text(yaml.safe_dump(world.values))
    world.write(100)
    world.tick()
    (row,) = world.evaluations()
    url = f"sqlite:///{world.folder}/results.db"
    bound = terms(url, "run7", "bob", row.run_id, no_keys)
    assert (bound.user, bound.weights, bound.series_gpu_hours) == ("ann", row.digest, 7.0)
    by_hand = Terms("bob", series_gpu_hours=7.0)
    assert terms(url, "run7", "bob", "manual__1", no_keys) == terms(url, "run7", "bob") == by_hand
    assert terms(url, "unknown", "bob") == terms(url, "", "bob") == Terms("bob")


def test_failures_of_a_backfill_have_another_turn_too(world: SeriesWorld):
    world.write(100)
    world.tick()
    assert world.tick("failed", backfill=True, suite="extra@1") == ["step-100#1"]
    assert world.tick() == ["step-100#2"]
    assert world.evaluations()[-1].suite == "extra@1"


def test_a_version_that_asks_the_same_is_not_evaluated_again(world: SeriesWorld):
    world.write(100)
    world.tick()
    world.asks = {"nightly@1": "sums", "nightly@2": "sums"}
    world.values["suite"] = "nightly@1"
    world.asks["nightly@2"] = "nightly@1"  # what the first tick saw
    world.asks["nightly@1"] = "nightly@1"
    assert world.tick(backfill=True, suite="nightly@2") == []


def test_a_suite_that_was_wrong_does_not_bar_the_next_one(world: SeriesWorld):
    world.limits(attempts=1)
    world.write(100)
    world.tick("failed")
    world.values["suite"] = "nightly@2"
    assert world.tick() == ["step-100#1"]


def test_a_second_suite_waits_until_the_first_one_is_over(world: SeriesWorld):
    world.write(100)
    world.tick("running")
    assert world.tick(backfill=True, suite="extra@1") == []
    world.states = dict.fromkeys(world.states, "success")
    assert world.tick(backfill=True, suite="extra@1") == ["step-100#1"]


def test_only_the_named_ones_are_evaluated_whatever_the_limits_say(world: SeriesWorld):
    world.limits(every=1000, per_day=1)
    for step in (100, 200):
        world.write(step)
    assert world.tick(checkpoints=["step-200", "step-9"]) == ["step-200#1"]
    assert "step-9: there is no such checkpoint" in world.said


def test_a_suite_without_backfill_is_refused(world: SeriesWorld):
    with pytest.raises(InputError, match="backfill=true"):
        world.tick(suite="extra@1")


def test_a_baseline_is_handed_on_as_it_is_said(world: SeriesWorld):
    world.write(100)
    world.tick()
    for said in ("0.0.1", "llama_7b"):
        world.values["baseline"] = said
        assert evaluation_params(world.series, world.evaluations()[0], "/x")["baseline"] == said


@pytest.mark.parametrize("where", ["series", "gate"])
def test_a_baseline_that_is_no_version_of_the_series_is_refused_before_anything_begins(world: SeriesWorld, where: str):
    def name(baseline: str) -> None:
        world.values |= {"baseline": baseline} if where == "series" else {"gate": {"baseline": baseline}}

    world.write(100)
    name("0.0.2")
    with pytest.raises(InputError, match=r"series 'run7' has no version 0.0.2; there are: none"):
        world.tick()
    assert world.evaluations() == []
    name("0.0.1")
    assert world.tick() == ["step-100#1"], "the first checkpoint becomes 0.0.1"
    name("run7@0.0.1")
    assert world.tick() == []
    name("run7@0.0.2")
    with pytest.raises(InputError, match=r"there are: 0.0.1"):
        world.tick()


def test_the_params_of_an_evaluation(world: SeriesWorld):
    world.values |= {"cluster": "slurm", "params": {"max_num_workers": 4}, "model": {"tokenizer_path": "/tok"}}
    world.values.pop("cluster")
    world.write(100)
    world.tick()
    (row,) = world.evaluations()
    assert evaluation_params(world.series, row, "/ckpt/step-100") == {
        "config": "nightly@1",
        "series": "run7",
        "max_num_workers": 4,
        "model_overrides": [{"path": "/ckpt/step-100", "abbr": "run7-step-100", "tokenizer_path": "/tok"}],
    }


def test_what_is_begun_and_what_is_made_up_for_are_no_more_than_a_task_can_be_mapped_over(
    world: SeriesWorld, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("opencompass_ops.series.discovery.MOST", 2)
    for step in (100, 200, 300):
        world.write(step)
    assert world.tick(end=None) == ["step-100#1", "step-200#1"]
    assert world.tick(end=None) == ["step-100#1", "step-200#1"]
    monkeypatch.setattr("opencompass_ops.series.discovery.MOST", 1)
    assert world.tick(end=None) == ["step-100#1"], "nor when more are waiting for their run"


def test_an_earlier_attempt_that_somebody_clears_bars_another_one(world: SeriesWorld):
    world.write(100)
    world.tick("failed")
    first = world.evaluations()[0].run_id
    assert world.tick("failed") == ["step-100#2"]
    world.states[first] = "running"
    assert world.tick() == []
    assert world.tick() == []
    assert world.evaluations()[0].state == STARTED
    world.states[first] = "success"
    assert world.tick() == []
    assert world.evaluations()[0].state == SUCCEEDED


def test_one_that_was_overwritten_before_its_plan_is_booked_so_and_the_new_one_begins(world: SeriesWorld):
    world.write(100)
    world.tick("failed")
    world.write(100, seed=7)
    assert world.tick() == ["step-100#1"]
    old, new = world.evaluations()
    assert (old.state, old.reason) == (FAILED, f"overwritten; run {old.run_id} failed")
    assert (new.state, new.version) == (STARTED, "0.0.2")
    url = f"sqlite:///{world.folder}/results.db"
    assert terms(url, "run7", "ann", new.run_id).weights == new.digest
    assert terms(url, "run7", "ann", "manual__1").weights == ""


def test_the_plan_refuses_other_weights_than_those_that_were_found():
    report = ProbeReport(models=(ModelProbe("run7-step-100", weights_id="sha256:new"),))
    _refuse_others(report, "", lambda: True)
    _refuse_others(report, "sha256:new", lambda: False)
    with pytest.raises(PlanError, match="run7-step-100 was overwritten since it was found"):
        _refuse_others(report, "sha256:old", lambda: True)


@pytest.mark.parametrize(
    ("model", "weights"),
    [(ModelProbe("m", weights_id="sha256:both", bridge="type"), "sha256:old"), (ModelProbe("m", weights_id="a"), "")],
)
def test_where_the_probe_cannot_tell_the_place_is_asked(model: ModelProbe, weights: str):
    _refuse_others(ProbeReport(models=(model,)), weights, lambda: True)
    with pytest.raises(PlanError, match="m was overwritten or deleted since it was found"):
        _refuse_others(ProbeReport(models=(model,)), weights, lambda: False)


def test_a_folder_knows_whether_it_holds_what_was_found(world: SeriesWorld, monkeypatch: pytest.MonkeyPatch):
    (world.folder / "series").mkdir()
    monkeypatch.setenv("OPENCOMPASS_OPS_SERIES", str(world.folder / "series"))
    (world.folder / "series" / "run7.yaml").write_text(yaml.safe_dump(world.values))
    folder = world.write(100)
    world.tick()
    (row,) = world.evaluations()
    bound = terms(f"sqlite:///{world.folder}/results.db", "run7", "", row.run_id, no_keys)
    assert bound.is_still()
    world.write(100, seed=7)
    assert not bound.is_still()
    shutil.rmtree(folder)
    assert not bound.is_still()


def test_copies_are_kept_while_another_attempt_may_read_them_and_deleted_after_the_lock(
    world: SeriesWorld, monkeypatch: pytest.MonkeyPatch
):
    wanted: list[set[str]] = []
    monkeypatch.setattr(FolderPlace, "tidy", lambda self, digests: wanted.append(set(digests)))

    def sweep(place: FolderPlace) -> None:
        with world.ledger.exclusive("run7"):
            """Nobody holds the lock any more."""

    monkeypatch.setattr(FolderPlace, "sweep", sweep)
    world.limits(attempts=2, per_day=1)
    world.write(100)
    world.tick("failed")
    digest = world.evaluations()[0].digest
    world.tick()
    assert world.evaluations()[0].state == FAILED
    assert wanted == [{digest}, {digest}]
    world.limits(attempts=1)
    world.tick()
    assert wanted[-1] == set()
