"""GPU-hours of the site that run out stop an evaluation; they do not use up its attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from opencompass_ops import prepare
from opencompass_ops.budgets.events import BUDGET_EXCEEDED, Event, tell
from opencompass_ops.budgets.site import CLOCK, EVERYONE, RUN, SERIES, USER, Scope
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.errors import HoursSpent
from opencompass_ops.series import ledger
from opencompass_ops.series.discovery import evaluation_params
from opencompass_ops.series.ledger import STOPPED, SUCCEEDED
from opencompass_ops.series.listing import status_table
from opencompass_ops.series.stops import stopped_by
from series_world import SeriesWorld

GRANT = Scope(SERIES, "run7", "2026-11-21", 7200.0)


def _dry_day(world: SeriesWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that is alive is stopped, and booked so the day before yesterday."""
    (row,) = world.evaluations()
    world.states[row.run_id], world.stops[row.run_id] = "failed", str(GRANT)
    with monkeypatch.context() as past:
        past.setattr(ledger, "_now", lambda: (datetime.now(UTC) - timedelta(days=2)).isoformat())
        assert world.tick(checkpoints=["none"]) == []


def test_dry_days_do_not_use_up_attempts(world: SeriesWorld, monkeypatch: pytest.MonkeyPatch):
    world.limits(attempts=1)
    world.write(100)
    assert world.tick("running") == ["step-100#1"]
    for attempt in (2, 3, 4):
        _dry_day(world, monkeypatch)
        assert world.evaluations()[0].state == STOPPED
        assert world.tick("running") == [f"step-100#{attempt}"]
    (row,) = world.evaluations()
    assert (row.attempts, row.stops) == (4, 3)
    world.states[row.run_id] = "failed"
    assert world.tick() == [], "one that failed by itself counts"
    assert "given up" in status_table([], world.evaluations(), attempts=1)


def test_what_was_stopped_waits_for_the_next_day_unless_it_is_named(world: SeriesWorld):
    world.write(100)
    world.tick("failed")
    world.stops[world.evaluations()[0].run_id] = str(GRANT)
    assert world.tick() == []
    assert world.tick() == []
    assert world.evaluations()[0].reason == (
        "stopped, goes on tomorrow (UTC) at the earliest: 2 GPU-hours of series 'run7' on 2026-11-21 (UTC)"
    )
    assert world.tick(checkpoints=["step-100"]) == ["step-100#2"]


def test_a_stopped_run_that_somebody_clears_is_alive_again(world: SeriesWorld):
    world.write(100)
    world.tick("failed")
    (row,) = world.evaluations()
    world.stops[row.run_id] = str(GRANT)
    world.tick()
    world.states[row.run_id] = "running"
    world.tick()
    assert world.evaluations()[0].stops == 0
    world.states[row.run_id] = "success"
    world.tick()
    assert world.evaluations()[0].state == SUCCEEDED


def test_another_attempt_goes_on_in_the_folder_of_the_one_before(world: SeriesWorld):
    world.write(100)
    world.tick()
    (row,) = world.evaluations()
    assert evaluation_params(world.series, row, "/x", reuse="20261121_080000")["reuse"] == "20261121_080000"


@pytest.mark.parametrize(
    ("kind", "is_one"), [(SERIES, True), (USER, True), (EVERYONE, True), (RUN, False), (CLOCK, False), ("", False)]
)
def test_only_limits_that_runs_share_are_no_fault_of_the_run(kind: str, is_one: bool, tmp_path: Path):
    tell(LocalFiles(tmp_path), Event(BUDGET_EXCEEDED, "some limit", "infer-1", "a/b", was_running=True, kind=kind))
    assert stopped_by(str(tmp_path), "2026-01-01") == ("some limit" if is_one else "")
    assert stopped_by(str(tmp_path), "2999-01-01") == "", "an earlier attempt's do not count"


def test_a_plan_that_is_refused_for_spent_hours_says_which_are_shared():
    class Shard:
        num_gpus = 1

    class Refused:
        all_shards = (Shard(),)

    own = Scope(RUN, "/runs/1", "", 3600.0)
    with pytest.raises(HoursSpent) as caught:
        prepare._refuse_spent(Refused(), {own: "its own", GRANT: "a grant"})  # type: ignore[arg-type]
    assert caught.value.granted == ("a grant",)
    prepare._refuse_spent(Refused(), {})  # type: ignore[arg-type]
