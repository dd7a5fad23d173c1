"""Summarizers of OpenCompass's own, run by it over scores of ours; no model computes here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.errors import PlanError
from opencompass_ops.runner import run_plan
from opencompass_ops.summarize import summarize
from small_world import DATASETS, MODEL, SmallWorld, make_world

PROFILES = [{"name": "first", "dataset_abbrs": ["sums"]}, {"name": "both", "dataset_abbrs": ["sums", "more"]}]
MORE = "datasets = [*datasets, {**datasets[0], 'abbr': 'more'}]\n"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWorld]:
    for made in make_world(tmp_path, monkeypatch):
        monkeypatch.setenv("OPENCOMPASS_OPS_OPENCOMPASS_PYTHON", "")
        yield made


def summarized_by(world: SmallWorld, name: str, settings: str) -> str:
    models = MODEL.format(path=str(world.folder / "tiny"))
    head = f"from opencompass.summarizers import {name}\n{models}{DATASETS}{MORE}"
    return world.config(f"{head}summarizer = dict(type={name}, {settings})\n")


def table(run_dir: Path, name: str) -> dict[str, str]:
    """Dataset to score, of a file in OpenCompass's format."""
    rows = (line.split(",") for line in LocalFiles(run_dir).read(name).decode().splitlines()[1:])
    return {row[0]: row[4] for row in rows}


@pytest.mark.process
def test_a_summarizer_that_only_opencompass_has_needs_one_and_the_plan_says_so(world: SmallWorld):
    path = summarized_by(world, "MultiFacetedSummarizer", f"dataset_abbrs_list={PROFILES}")
    with pytest.raises(PlanError, match="only OpenCompass itself has summarizer MultiFacetedSummarizer"):
        world.prepare(path)
    assert not world.prepare(path, mode="infer", dry_run=True).plan.tables
    world.cluster(more="opencompass = dict(python='/envs/oc/bin/python')\n")
    plan = world.prepare(path, dry_run=True)
    assert "tables: by summary/MultiFacetedSummarizer [engine: opencompass]" in plan.text
    assert "/envs/oc/bin/python -m inference viz" in plan.text


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_its_tables_lie_beside_ours_and_hold_what_this_run_scored(world: SmallWorld, opencompass_python: str):
    world.cluster(more=f"opencompass = dict(python={opencompass_python!r})\n")
    path = summarized_by(world, "MultiFacetedSummarizer", f"dataset_abbrs_list={PROFILES}")
    prepared, report = world.evaluate(path)
    assert not report.failures
    (ours,) = [name for name in report.files if name.endswith(".csv") and name.count("/") == 1]
    made = {Path(name).name: name for name in report.files if name.count("/") == 2}
    assert set(made) == {"first.csv", "both.csv"}
    assert table(prepared.run_dir, made["both.csv"]) == table(prepared.run_dir, ours)
    # What lies in the folder and is not what this run scored is in no table.
    (prepared.run_dir / layout.result("tiny", "sums")).write_text('{"accuracy": 99.0}')
    again, report = world.evaluate(path, mode="viz", reuse="latest")
    assert again.run_dir == prepared.run_dir
    newest = max(name for name in report.files if name.endswith("/both.csv"))
    assert table(again.run_dir, newest)["sums"] in ("100.00", "-")


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_one_that_fails_costs_no_score_and_says_why(world: SmallWorld, opencompass_python: str):
    """CircularSummarizer cannot be called by its own base class (OpenCompass 0.5.4)."""
    world.cluster(more=f"opencompass = dict(python={opencompass_python!r})\n")
    prepared = world.prepare(summarized_by(world, "CircularSummarizer", "metric_types=['accuracy']"))
    failed = asyncio.run(run_plan(prepared.run_dir, say=lambda line: None))
    assert [shard.partition("-")[0] for shard in failed] == ["viz"]
    report = summarize(prepared.run_dir, database_url=world.url)
    assert report.coverage.scored == len(prepared.plan.pairs)
    assert "sums" in report.table
    (failure,) = report.failures
    assert "CircularSummarizer of OpenCompass made no tables: OpenCompass's task ended with TypeError" in failure
