"""What the demo says about its scores, and what it asks Airflow."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from demo.__main__ import params, progress, reused
from demo.place import Place
from demo.verdict import read_scores, verdict
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan, PlannedDataset, PlannedModel, PlannedPair


def _pair(model: str, dataset: str, shards: tuple[str, ...]) -> PlannedPair:
    return PlannedPair(model, dataset, 240, (dataset,), ((0, 240),), (), shards, "eval-0001", "f")


@pytest.fixture
def plan() -> Plan:
    models = tuple(PlannedModel(f"m{step}", "", "", "", step) for step in (900, 0))
    datasets = (PlannedDataset("arithmetic", "v", "gen", 140), PlannedDataset("facts", "v", "ppl", 240))
    pairs = tuple(_pair(m.abbr, d.abbr, ("infer-0000",) if m.step else ()) for m in models for d in datasets)
    return Plan(
        stamp="20260101_000000",
        run_dir="",
        instance="",
        mode="all",
        config="",
        config_fingerprint="",
        params={},
        cluster={},
        max_num_workers=2,
        retry=2,
        models=models,
        datasets=datasets,
        pairs=pairs,
        shards=(),
        evaluations=(),
    )


GOOD = {("m0", "arithmetic"): 0.0, ("m0", "facts"): 0.25, ("m900", "arithmetic"): 0.99, ("m900", "facts"): 1.0}


def test_guessing_first_and_knowing_last_is_what_is_expected(plan: Plan) -> None:
    assert [one.ok for one in verdict(plan, GOOD)] == [True, True]


@pytest.mark.parametrize(
    ("key", "score"),
    [(("m0", "facts"), 0.34), (("m0", "facts"), 0.16), (("m0", "arithmetic"), 0.2), (("m900", "facts"), 0.9)],
)
def test_an_odd_score_is_named(plan: Plan, key: tuple[str, str], score: float) -> None:
    bad = [one for one in verdict(plan, GOOD | {key: score}) if not one.ok]
    assert len(bad) == 1
    assert bad[0].text.startswith(key[1])
    assert f"{score:.3f}" in bad[0].text


def test_scores_come_from_the_result_files(plan: Plan, tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    for (model, dataset), score in GOOD.items():
        files.write(layout.result(model, dataset), json.dumps({"accuracy": 100 * score}))
    assert read_scores(files, plan) == pytest.approx(GOOD)


def test_what_was_reused_is_said(plan: Plan) -> None:
    assert reused(plan) == "Inferred 1 of 2 checkpoints in 0 jobs; reused the predictions of 1"
    nothing = replace(plan, pairs=tuple(replace(pair, shards=()) for pair in plan.pairs))
    assert reused(nothing) == "Inferred 0 of 2 checkpoints in 0 jobs; reused the predictions of 2"


def test_progress_names_only_what_has_begun() -> None:
    counts = {"plan": Counter(success=1), "infer_local": Counter(deferred=2, success=3), "eval": Counter(waiting=1)}
    assert progress(counts) == "plan 1 success · infer_local 2 deferred 3 success"


def test_every_checkpoint_becomes_an_override() -> None:
    where = Place("somewhere", data=Path("/d"), outputs=Path("/o"))
    asked = params(where, [Path("/c/step-000000"), Path("/c/step-000100")])
    assert (asked["cluster"], asked["work_dir"]) == ("somewhere", "/o")
    assert asked["model_overrides"] == [{"path": "/c/step-000000"}, {"path": "/c/step-000100"}]
