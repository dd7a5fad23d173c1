"""What people see: every checkpoint that was seen or evaluated, once, with its version and the reason."""

from __future__ import annotations

import shutil
from dataclasses import replace

from opencompass_ops.results.rows import CheckpointRow
from opencompass_ops.results.versions import Versions
from opencompass_ops.results.views import checkpoints_table
from opencompass_ops.series.listing import NOTHING, status_table
from series_world import SeriesWorld


def _status(world: SeriesWorld) -> list[list[str]]:
    table = status_table(world.ledger.sightings("run7").values(), world.evaluations(), world.series.limits.attempts)
    return [line.split() for line in table.splitlines()[2:]]


def test_nothing_was_seen_yet(world: SeriesWorld):
    assert status_table([], [], 3) == NOTHING


def test_every_state_has_its_line(world: SeriesWorld):
    world.limits(attempts=1, per_day=3, every=10)
    world.write(100, tokenizer=False)
    for step in (200, 300, 400, 500):
        world.write(step)
    world.write(55)
    world.tick("success")
    failed = next(row for row in world.evaluations() if row.step == 300)
    world.states[failed.run_id] = "failed"
    running = next(row for row in world.evaluations() if row.step == 400)
    world.states[running.run_id] = "running"
    shutil.rmtree(world.folder / "ckpt" / "step-500")
    world.tick()
    lines = {line[1]: line[2:] for line in _status(world)}
    assert lines["step-55"][0] == "outside"
    assert lines["step-100"] == ["incomplete", "holds", "no", "tokenizer"]
    assert lines["step-200"][:5] == ["0.0.1", "succeeded", "nightly@1", "1", "of"]
    assert lines["step-300"][:3] == ["0.0.2", "given", "up"]
    assert lines["step-400"][:2] == ["0.0.3", "started"]
    assert lines["step-500"][:2] == ["gone", "deleted"]
    assert len(lines) == len(_status(world))


def test_the_listing_of_scores_shows_versions_where_there_are_some():
    row = CheckpointRow("run7-step-5", 5, "sha256:w", "2026-11-21T12:00:00+00:00", ("d",), "run7")
    assert "version" not in checkpoints_table([row])
    shown = checkpoints_table([replace(row, version="0.0.3"), replace(row, model="other")])
    assert [line.split()[0] for line in shown.splitlines()] == ["version", "---------", "0.0.3", "-"]


def test_a_version_is_found_by_weights_and_else_by_a_step_that_is_one_checkpoints():
    versions = Versions([("a", "w1", 5, 1), ("a", "w2", 5, 2), ("a", "etag:x", 7, 3)])
    assert versions.of("a", "w2", 5) == "0.0.2"
    assert versions.of("a", "sha256:staged", 7) == "0.0.3"
    assert versions.of("a", "sha256:other", 5) == ""
    assert versions.of("b", "w1", 5) == ""
