"""What was answered is not asked again, and what was not answered is never taken for answered."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import Manifest
from opencompass_ops.errors import ConfigError, PlanError
from opencompass_ops.prepare import Prepared
from opencompass_ops.runner import run_plan
from small_world import SmallWorld, make_world

pytestmark = pytest.mark.process

SUMS = layout.prediction("tiny", "sums")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWorld]:
    yield from make_world(tmp_path, monkeypatch)


THIRD = 22 * 20
"""Partition size of a third of 64 generated rows."""


def jobs(prepared: Prepared) -> tuple[int, int]:
    """Planned jobs: infer, eval."""
    return len(prepared.plan.shards), len(prepared.plan.evaluations)


def test_what_is_the_same_is_reused_and_what_changed_is_not(world: SmallWorld):
    world.rows(64)
    config = world.config()
    first, report = world.evaluate(config, max_num_workers=3, max_partition_size=THIRD)
    assert jobs(first) == (3, 1)
    assert not report.failures
    predictions = world.predictions(first.run_dir)
    assert len(predictions) == 3

    again, report = world.evaluate(config, max_num_workers=1)
    assert jobs(again) == (0, 0)
    assert world.jobs(again.run_dir) == []
    assert not report.failures
    assert world.predictions(again.run_dir) == predictions
    for path in (layout.result("tiny", "sums"), layout.samples("tiny", "sums")):
        assert LocalFiles(again.run_dir).read(path) == LocalFiles(first.run_dir).read(path)

    def planned_with(*pieces: tuple[str, str]) -> tuple[int, int]:
        return jobs(world.prepare(world.config(None, *pieces, name="changed"), dry_run=True))

    assert planned_with(("abbr='tiny'", "abbr='other'"), ("abbr='sums'", "abbr='more'")) == (0, 0)
    assert planned_with(("AccEvaluator", "EMEvaluator")) == (0, 1)
    assert planned_with(("{question}", "Q: {question}")) == (1, 1)
    world.rows(64, first=1)
    assert jobs(world.prepare(config, dry_run=True)) == (1, 1)
    world.rows(64)
    world.database.unlink()
    assert jobs(world.prepare(config, reuse="latest")) == (0, 0)
    assert jobs(world.prepare(config, dry_run=True)) == (1, 1)  # nobody knows of the files any more


def test_one_changed_byte_of_weights_infers_that_checkpoint_only(world: SmallWorld):
    overrides = [{"path": str(world.checkpoint(name, weights=name.encode() * 4))} for name in ("s1", "s2")]
    config = world.config()
    world.evaluate(config, model_overrides=overrides)
    world.checkpoint("s2", weights=b"s2s2s2s3")
    plan = world.prepare(config, model_overrides=overrides, dry_run=True).plan
    assert [shard.model for shard in (*plan.shards, *plan.evaluations)] == ["s2", "s2"]


def test_going_on_in_a_run_directory_infers_what_is_missing_and_nothing_else(world: SmallWorld):
    world.rows(64)
    config = world.config()
    first, _ = world.evaluate(config, max_num_workers=3, max_partition_size=THIRD)
    before = world.predictions(first.run_dir)
    files, gone = LocalFiles(first.run_dir), sorted(before)[1]
    files.path(f"predictions/tiny/{gone}").unlink()
    (world.work_dir / "notes").mkdir()  # whatever people put beside the runs is not the latest run
    jobs_before = set(world.jobs(first.run_dir))
    second, report = world.evaluate(config, reuse="latest", max_num_workers=3)  # no size: as it was planned
    assert second.run_dir == first.run_dir
    assert [shard.parts for shard in second.plan.shards] == [(gone.removesuffix(".json"),)]
    assert len(set(world.jobs(first.run_dir, "infer")) - jobs_before) <= 1
    assert world.predictions(first.run_dir) == before
    assert not report.failures
    assert jobs(world.prepare(config, reuse="latest")) == (0, 0)


CHANGES = {
    "prompt": (("{question}", "Q: {question}"), r"prompt\)"),
    "decoding": (("max_out_len=4", "max_out_len=5"), r"decoding: max_out_len\)"),
    "range": (("reader_cfg=dict(", "reader_cfg=dict(test_range='[:32]', "), r"range: 64 rows, now 32\)"),
}


def test_a_stale_prediction_is_made_again_and_the_plan_says_what_changed(world: SmallWorld):
    world.rows(64)
    first, _ = world.evaluate(world.config(), max_partition_size=440)
    said = "tiny/sums: what lies in the folder was answered otherwise ("
    assert said not in world.prepare(world.config(), reuse="latest", dry_run=True).text
    for what, (change, words) in CHANGES.items():
        again = world.config(None, change, name="changed")
        changed = world.prepare(again, reuse="latest", dry_run=True, max_partition_size=5000)
        assert re.search(re.escape(said) + words, changed.text), what
        assert jobs(changed) == (1, 1)
    world.rows(64, first=1)
    assert said + "data, or the template" in world.prepare(world.config(), reuse="latest", dry_run=True).text
    world.rows(64)
    world.checkpoint("tiny", weights=b"other678")
    second, report = world.evaluate(world.config(), reuse="latest", max_partition_size=5000)
    assert said + "weights)" in second.text
    assert jobs(second) == (1, 1)
    assert not report.failures
    # OpenCompass would read parts of before beside what is there now.
    assert [name for name in world.predictions(first.run_dir) if name.endswith(".json")] == ["sums.json"]
    assert len(list((first.run_dir / "predictions" / "tiny").glob("sums_?.json.stale"))) == 3
    assert said not in world.prepare(world.config(), reuse="latest", dry_run=True).text


def test_a_damaged_prediction_file_is_inferred_again_and_never_scored(world: SmallWorld):
    config = world.config()
    first, _ = world.evaluate(config)
    files, name = LocalFiles(first.run_dir), first.run_dir.name
    whole = files.read(SUMS).decode()
    cut = whole[: len(whole) // 2]
    files.path(SUMS).write_text(cut)
    assert jobs(world.prepare(config, dry_run=True)) == (1, 1)
    with pytest.raises(PlanError, match=r"mode=eval scores predictions that exist(.|\n)*tiny/sums: rows 0\.\.5"):
        world.prepare(config, mode="eval", reuse=name)
    assert files.read(SUMS).decode() == cut  # a refusal changes nothing
    second, report = world.evaluate(config, reuse=name)
    assert jobs(second) == (1, 1)
    assert files.read(SUMS).decode() == whole
    assert not report.failures
    scored_by = Manifest.from_json(files.read(layout.manifest(layout.result("tiny", "sums")))).token
    assert scored_by.endswith("-e2")
    edited = whole.replace('"prediction": "3"', '"prediction": "4"')
    assert edited != whole
    files.path(SUMS).write_text(edited)
    assert jobs(world.prepare(config, reuse=name, dry_run=True)) == (1, 1)


def test_two_models_may_swap_names_inside_one_run_directory(world: SmallWorld):
    paths = {name: str(world.checkpoint(name, weights=name.encode() * 4)) for name in ("s1", "s2")}
    config = world.config()
    straight = [{"path": paths["s1"], "abbr": "a"}, {"path": paths["s2"], "abbr": "b"}]
    crossed = [{"path": paths["s2"], "abbr": "a"}, {"path": paths["s1"], "abbr": "b"}]
    first, _ = world.evaluate(config, model_overrides=straight)
    files = LocalFiles(first.run_dir)
    # The stand-in answers alike for all, so the files are told apart by hand, manifests included.
    for model in ("a", "b"):
        path = layout.prediction(model, "sums")
        body = json.dumps(json.loads(files.read(path)), indent=1 if model == "a" else 2)
        files.write(path, body)
        manifest = json.loads(files.read(layout.manifest(path)))
        files.write(layout.manifest(path), json.dumps({**manifest, "sha256": codec.digest_bytes(body.encode())}))
    was = {model: files.read(layout.prediction(model, "sums")) for model in ("a", "b")}
    assert was["a"] != was["b"]
    world.database.unlink()
    second = world.prepare(config, reuse="latest", model_overrides=crossed)
    assert jobs(second) == (0, 0)
    for model, other in (("a", "b"), ("b", "a")):
        path = layout.prediction(model, "sums")
        assert files.read(path) == was[other]
        manifest = Manifest.from_json(files.read(layout.manifest(path)))
        assert (manifest.model, manifest.sha256) == (model, codec.digest_bytes(was[other]))


def test_a_run_directory_with_live_jobs_is_not_planned_again(world: SmallWorld):
    config = world.config()
    gate = world.hold()
    first = world.prepare(config)
    plan = LocalFiles(first.run_dir).read(layout.PLAN)

    async def meanwhile() -> Prepared:
        driver = asyncio.create_task(run_plan(first.run_dir, say=lambda line: None))
        while not list(first.run_dir.glob("jobs/*/starts")):  # written by another process
            await asyncio.sleep(0.05)
        attach = f"1 jobs of the run are alive.*opencompass-ops attach {first.run_dir}"
        with pytest.raises(PlanError, match=attach):
            await asyncio.to_thread(world.prepare, config, reuse="latest")
        # A later try of the task that claimed the folder goes on with what it planned.
        kept = await asyncio.to_thread(world.prepare, config, run_dir=first.run_dir, max_num_workers=2)
        assert LocalFiles(first.run_dir).read(layout.PLAN) == plan
        gate.unlink()
        assert await driver == {}
        return kept

    kept = asyncio.run(meanwhile())
    assert kept.mapping() == first.mapping()
    assert len(world.jobs(first.run_dir, "infer")) == 1
    later = world.prepare(config, run_dir=first.run_dir)
    assert jobs(later) == (0, 0)
    assert later.run_dir == first.run_dir


def test_scores_are_shown_when_the_checkpoint_is_gone_and_not_when_another_one_is_meant(world: SmallWorld):
    config = world.config()
    first, before = world.evaluate(config)
    shutil.rmtree(world.folder / "tiny")
    viewed, after = world.evaluate(config, mode="viz", reuse="latest")
    assert viewed.run_dir == first.run_dir
    assert (after.table, after.failures) == (before.table, ())
    _, again = world.evaluate(config, mode="viz", reuse="latest")  # what the folder knows is not forgotten
    assert again.table == before.table
    for manifest in first.run_dir.rglob("*.manifest.json"):
        manifest.unlink()
    (first.run_dir / layout.PROBE).unlink()
    _, unsigned = world.evaluate(config, mode="viz", reuse="latest")  # as OpenCompass leaves a folder
    assert unsigned.table == before.table
    other = world.config(None, ("/tiny'", "/tiny-2'"), name="other")
    world.evaluate(config, mode="viz", reuse="latest")
    _, none = world.evaluate(other, mode="viz", reuse="latest")
    assert none.failures
    with pytest.raises(PlanError, match="does not exist"):
        world.prepare(config, reuse="latest")


def test_names_with_slashes_make_folders_as_in_opencompass_and_are_reused(world: SmallWorld):
    world.rows(64)
    names = (("abbr='tiny'", "abbr='org/tiny'"), ("abbr='sums'", "abbr='./sums'"))
    with pytest.raises(ConfigError, match="cannot be a file name"):
        world.prepare(world.config(None, *names))
    config = world.config(None, names[0], ("abbr='sums'", "abbr='group/sums'"))
    first, report = world.evaluate(config, max_num_workers=3, max_partition_size=THIRD)
    assert jobs(first) == (3, 1)
    assert not report.failures
    assert "group/sums" in report.table
    made = {path.relative_to(first.run_dir).as_posix() for path in first.run_dir.rglob("*.json")}
    assert {f"predictions/org/tiny/group/sums_{n}.json" for n in range(3)} < made
    assert "results/org/tiny/group/sums.json" in made
    again, report = world.evaluate(config)
    assert (jobs(again), report.failures) == ((0, 0), ())
    world.database.unlink()
    assert jobs(world.prepare(config, reuse="latest")) == (0, 0)
    for manifest in again.run_dir.rglob("*.manifest.json"):
        manifest.unlink()
    assert jobs(world.prepare(config, mode="eval", reuse="latest")) == (0, 1)  # taken by name
    world.rows(64, first=1)
    stale = world.prepare(config, reuse="latest", max_partition_size=22 * 64 * 20)
    assert "org/tiny/group/sums: what lies in the folder was answered otherwise" in stale.text
    left = {path.name for path in stale.run_dir.glob("predictions/org/tiny/group/*") if path.is_file()}
    assert left == {"sums_0.json.stale", "sums_1.json.stale", "sums_2.json.stale"}
