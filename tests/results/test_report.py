"""One run directory into table, files, coverage and database."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text

from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.plan import PlannedShard
from opencompass_ops.contract.records import ExitRecord, Manifest
from opencompass_ops.contract.spec import VIZ, Part, ShardSpec
from opencompass_ops.results import plots
from opencompass_ops.results.report import XCOM_BYTES, report
from opencompass_ops.results.versions import Versions

LOST = ("tiny-step-000500", "facts")


def test_a_whole_run_is_green_and_everything_is_written(store, make_run):
    run = make_run().fill()
    done = report(run.files, run.plan, store)
    assert done.failures == ()
    assert done.headline == "coverage 4/4 pairs, 32 rows predicted (0 reused), 4 scored (0 reused)"
    stem = f"summary/summary_{run.plan.stamp}"
    assert done.files == (f"{stem}.txt", f"{stem}.csv", f"{stem}.md", "summary/scores.png", "summary/coverage.json")
    assert all(run.files.exists(path) for path in done.files)
    rows = [line.split() for line in done.table.splitlines()[2:]]
    assert rows[0] == ["sum", "41174c", "accuracy", "gen", "25.00", "50.00"]
    assert run.files.read(f"{stem}.csv").decode().splitlines()[0] == (
        "dataset,version,metric,mode,tiny-step-000000,tiny-step-000500"
    )
    assert len(store.leaderboard()) == 4


def test_the_plot_of_a_series_shows_the_checkpoints_that_other_runs_evaluated(store, make_run, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "render", lambda points, title: drawn.append(points) or b"png")
    for at, step in enumerate((100, 200, 300)):
        run = make_run(f"run-{step}", models=[f"step-{step}"], datasets=["sum"])
        run.predict(f"step-{step}", "sum")
        run.score(f"step-{step}", "sum", right=2 * at)
        report(run.files, replace(run.plan, params={"series": "tiny"}), store)
    seen = [[(point.series, point.step, point.value) for point in points] for points in drawn]
    curve = [("tiny", 100, 0.0), ("tiny", 200, 25.0), ("tiny", 300, 50.0)]
    assert seen == [curve[:1], curve[:2], curve]


def test_the_plot_names_the_version_that_the_series_has_given_the_checkpoint(store, make_run, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "render", lambda points, title: drawn.append(title) or b"png")
    known = Versions([("tiny", "sha256:step-100", 100, 7)])
    monkeypatch.setattr(type(store), "versions", lambda self, *series: known)
    for step in (100, 200):
        run = make_run(f"run-{step}", models=[f"step-{step}"], datasets=["sum"]).fill()
        report(run.files, replace(run.plan, params={"series": "tiny"}), store)
    assert drawn == ["eval_tiny, tiny 0.0.7", "eval_tiny"]


def test_what_makes_a_score_doubtful_is_noted_pair_by_pair(make_run):
    run = make_run().fill()
    path = layout.manifest(layout.result(*LOST))
    health = {"items": 8, "empty_predictions": 3, "empty_answers": 0, "truncated": 2}
    manifest = replace(Manifest.from_json(run.files.read(path)), details={"health": health})
    run.files.write(path, manifest.to_json())
    done = report(run.files, run.plan)
    doubt = "of 8 items, 3 got an empty prediction, 2 had their prompt cut to the model's length"
    assert done.notes == (f"tiny-step-000500/facts: {doubt}",)
    assert f"note: {done.notes[0]}" in done.text
    assert done.failures == ()


def test_a_lost_part_shows_as_coverage_below_the_table_and_as_one_failure(store, make_run):
    run = make_run().fill()
    run.files.path(layout.prediction(LOST[0], "facts_1")).unlink()
    run.files.path(layout.result(*LOST)).unlink()
    done = report(run.files, run.plan, store)
    why = "part facts_1: predictions/tiny-step-000500/facts_1.json is missing"
    assert done.headline == f"coverage 3/4 pairs, 1 pair not scored: tiny-step-000500/facts ({why})"
    assert done.failures == (f"tiny-step-000500/facts not scored: {why}",)
    assert done.table + "\n\n" + done.headline in done.text
    assert done.headline not in run.files.read(done.files[0]).decode()
    coverage = json.loads(run.files.read(layout.COVERAGE))
    (pair,) = [pair for pair in coverage["pairs"] if pair["reason"]]
    assert (pair["predicted"], pair["rows"], pair["scored"], pair["missing"]) == (4, 8, False, [why])
    assert len(store.leaderboard()) == 3


def test_an_unscored_pair_with_all_its_parts_says_what_became_of_the_result(make_run):
    run = make_run().fill()
    run.files.path(layout.manifest(layout.result(*LOST))).unlink()
    assert "results/tiny-step-000500/facts.json has no manifest" in report(run.files, run.plan).headline


def test_an_empty_run_reports_every_pair_and_draws_nothing(make_run):
    run = make_run()
    done = report(run.files, run.plan)
    assert len(done.failures) == 4
    assert done.headline.startswith("coverage 0/4 pairs, 4 pairs not scored: ")
    assert "summary/scores.png" not in done.files
    assert "facts      -          -         -       -" in done.table


def test_many_unscored_pairs_still_make_one_line(make_run):
    run = make_run(datasets=[f"d{n}" for n in range(20)])
    done = report(run.files, run.plan)
    assert done.headline.endswith("and 35 more")
    assert "\n" not in done.headline
    assert len(done.failures) == 40


def test_reuse_is_counted(make_run):
    run = make_run().fill()
    pairs = tuple(replace(pair, reused=pair.parts, evaluation="") for pair in run.plan.pairs)
    done = report(run.files, replace(run.plan, pairs=pairs))
    assert done.headline == "coverage 4/4 pairs, 32 rows predicted (32 reused), 4 scored (4 reused)"


def test_a_score_stands_when_its_predictions_are_gone(make_run):
    run = make_run().fill()
    run.files.path(layout.prediction(LOST[0], "facts_1")).unlink()
    assert report(run.files, run.plan).failures == ()


def test_mode_infer_promises_predictions_only(make_run):
    run = make_run()
    for pair in run.plan.pairs:
        run.predict(pair.model, pair.dataset)
    plan = replace(run.plan, mode="infer")
    done = report(run.files, plan)
    assert (done.table, done.failures, done.files) == ("", (), (layout.COVERAGE,))
    run.files.path(layout.prediction(LOST[0], "facts_0")).unlink()
    assert "1 pair not predicted: tiny-step-000500/facts (part facts_0" in report(run.files, plan).headline


def test_summarising_twice_changes_no_file_and_no_row(store, make_run):
    run = make_run().fill()
    first = report(run.files, run.plan, store)
    before = {path: run.files.read(path) for path in first.files}
    second = report(run.files, run.plan, store)
    assert (second, {path: run.files.read(path) for path in second.files}) == (first, before)


def test_a_database_that_fails_costs_a_failure_but_no_file(store, make_run, tmp_path):
    with create_engine(f"sqlite:///{tmp_path}/results.db").begin() as connection:
        connection.execute(text("DROP TABLE score"))
    run = make_run().fill()
    done = report(run.files, run.plan, store)
    assert ["not in the database" in line for line in done.failures] == [True]
    assert "no such table: score" in done.headline
    assert all(run.files.exists(path) for path in done.files)


def test_the_small_report_is_json_and_stays_small(make_run):
    run = make_run(models=["a", "b"], datasets=[f"{'long' * 40}-{n}" for n in range(60)])
    done = report(run.files, run.plan)
    small = done.small()
    assert len(json.dumps(small)) < 2 * XCOM_BYTES
    assert "cut here" in small["table"]
    assert small["failed"] == 120
    whole = report(run.files, replace(run.plan, pairs=(), datasets=run.plan.datasets[:1], models=run.plan.models[:1]))
    assert whole.small()["table"] == whole.table


def test_scores_are_plain_values_with_their_error_bars(make_run):
    run = make_run().fill()
    score = json.loads(json.dumps(report(run.files, run.plan).scores))[0]
    assert (score["model"], score["dataset"], score["metric"], score["value"], score["n"], score["step"]) == (
        "tiny-step-000000", "sum", "accuracy", 25.0, 8, 0
    )  # fmt: skip
    assert score["low"] < 25.0 < score["high"]
    assert score["stderr"] == pytest.approx(100 * (0.25 * 0.75 / 7) ** 0.5)


def test_warnings_of_the_plan_and_lost_error_bars_stand_below_the_table(make_run):
    run = make_run().fill()
    run.files.write(layout.samples(*LOST), "{\n")
    done = report(run.files, replace(run.plan, warnings=("weights are known by a quick identity",)))
    assert "note: weights are known by a quick identity" in done.text
    assert "without error bars" in done.text


def test_tables_that_opencompass_did_not_make_cost_no_score_and_are_told_with_their_reason(store, make_run):
    run = make_run().fill()
    whole = Part({"abbr": "OddSummarizer"}, None, 0, 4, 4, "f", "f")
    spec = ShardSpec("viz-0000-abcdef", VIZ, {"abbr": "summary"}, (whole,), evaluation_fingerprint="f")
    run.files.write(layout.shard_spec(spec.id), spec.to_json())
    planned = PlannedShard(spec.id, VIZ, "local", spec.label, "summary", ("OddSummarizer",), 4, 0.0)
    plan = replace(run.plan, tables=(planned,))
    token = f"oc-{spec.id}-e1"
    run.files.write(layout.exit_record(token), ExitRecord(token, "1", 0, 1, 2, {}, "TypeError", "bad call").to_json())
    lost = report(run.files, plan, store)
    (failure,) = lost.failures
    assert failure.startswith("OddSummarizer of OpenCompass made no tables: bad call; its log is logs/viz/summary/")
    assert lost.table == report(run.files, run.plan).table
    assert len(store.leaderboard()) == 4
    body = '["summary/odd.csv"]'
    manifest = Manifest(
        "x", codec.digest_bytes(body.encode()), "summary", "OddSummarizer", "", "", 0, 4, 4, 4, "f", "f"
    )
    run.files.write(layout.tables(spec.id), body)
    run.files.write(layout.manifest(layout.tables(spec.id)), manifest.to_json())
    made = report(run.files, plan)
    assert made.failures == ()
    assert made.files[-1] == "summary/odd.csv"
