"""Run directories into the database."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from sqlalchemy import select

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.imports.ingest import ingest_folders
from opencompass_ops.imports.naming import Naming
from opencompass_ops.imports.reading import OURS
from opencompass_ops.results.engine import transaction
from opencompass_ops.results.findings import examine
from opencompass_ops.results.ingest import ingest
from opencompass_ops.results.models import metadata
from opencompass_ops.results.scores import scores_of
from opencompass_ops.results.statistics import wilson_interval
from opencompass_ops.results.store import Store

PAIR = ("tiny-step-000500", "facts")


def dump(store):
    with transaction(store._engine, write=False) as connection:
        return {t.name: sorted(map(repr, connection.execute(select(t)))) for t in metadata.sorted_tables}


def test_a_whole_run_is_recorded_once_however_often_it_is_ingested(url, make_run):
    run = make_run().fill()
    with Store.open(url) as store:
        first = ingest(store, run.files, run.plan)
        assert (first.predictions, first.scores, first.samples, first.damaged) == (8, 4, 32, ())
        before = dump(store)
        assert ingest(store, run.files, run.plan) == first
        assert dump(store) == before
    assert [len(before[name]) for name in ("run", "prediction", "score", "sample")] == [1, 8, 4, 32]


def test_parts_found_for_reuse_tile_the_pair_and_lie_in_the_run_directory(store, make_run):
    run = make_run().fill()
    ingest(store, run.files, run.plan)
    known = store.find_predictions(["pair-tiny-step-000500-facts"])["pair-tiny-step-000500-facts"]
    assert sorted((part.start, part.stop, part.total) for part in known) == [(0, 4, 8), (4, 8, 8)]
    assert all(part.path.startswith(str(run.files.root)) for part in known)
    assert store.find_results([run.evaluation(*PAIR)]) == {
        run.evaluation(*PAIR): str(run.files.path(layout.result(*PAIR)))
    }


def truncate(run):
    path = run.files.path(layout.prediction(PAIR[0], "facts_1"))
    path.write_bytes(path.read_bytes()[:-3])


def lose_manifest(run):
    run.files.path(layout.manifest(layout.prediction(PAIR[0], "facts_1"))).unlink()


def answer_another_request(run):
    run.tag = "-other"
    run.predict(*PAIR, indices=[1])
    run.tag = ""


def lose(run):
    run.files.path(layout.prediction(PAIR[0], "facts_1")).unlink()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (truncate, "not the file its manifest describes"),
        (lose_manifest, "has no manifest"),
        (answer_another_request, "answers another request"),
        (lose, "is missing"),
    ],
)
def test_a_damaged_part_is_listed_and_left_out_and_the_rest_recorded(store, make_run, harm, says):
    run = make_run().fill()
    harm(run)
    done = ingest(store, run.files, run.plan)
    assert done.predictions == 7
    assert [("facts_1" in line, says in line) for line in done.damaged] == [(True, True)]


def test_a_part_that_no_readable_shard_asked_for_is_left_out(store, make_run):
    run = make_run().fill()
    for kind in ("infer", "eval"):
        run.files.write(layout.shard_spec(f"{kind}-{PAIR[0]}-{PAIR[1]}"), "{")
    done = ingest(store, run.files, run.plan)
    assert done.predictions == 6
    assert all("no shard of the plan says" in line for line in done.damaged)


def test_a_reused_part_needs_no_shard(store, make_run):
    run = make_run().fill()
    pairs = tuple(replace(pair, reused=pair.parts, shards=(), evaluation="") for pair in run.plan.pairs)
    plan = replace(run.plan, pairs=pairs, shards=(), evaluations=())
    done = ingest(store, run.files, plan)
    assert (done.predictions, done.scores, done.damaged) == (8, 4, ())


def test_a_damaged_result_brings_no_score_and_keeps_the_one_already_stored(store, make_run):
    run = make_run().fill()
    ingest(store, run.files, run.plan)
    run.files.write(layout.result(*PAIR), '{"accuracy": 100}')
    done = ingest(store, run.files, run.plan)
    assert (done.scores, len(done.damaged), len(store.history())) == (3, 1, 4)


def test_a_run_copied_elsewhere_is_another_run_and_a_deleted_one_lends_nothing(store, make_run, tmp_path):
    run = make_run().fill()
    ingest(store, run.files, run.plan)
    shutil.copytree(run.files.root, tmp_path / "copy")
    shutil.rmtree(run.files.root)
    assert store.find_predictions(["pair-tiny-step-000500-facts"]) == {}
    copy = LocalFiles(tmp_path / "copy")
    ingest(store, copy, run.plan)
    assert len(store.find_predictions(["pair-tiny-step-000500-facts"])["pair-tiny-step-000500-facts"]) == 2
    assert len(store.leaderboard("facts")) == 2


def scored(make_run, **options):
    run = make_run(models=[PAIR[0]], datasets=[PAIR[1]])
    run.predict(*PAIR)
    run.score(*PAIR, **options)
    return scores_of(run.plan, examine(run.files, run.plan))


def test_error_bars_are_in_the_metrics_unit(make_run):
    (percent,) = scored(make_run, right=6)
    assert (percent.value, percent.n, percent.step) == (75.0, 8, 500)
    low, high = wilson_interval(6, 8)
    assert (percent.low, percent.high) == pytest.approx((100 * low, 100 * high))
    assert percent.stderr == pytest.approx(100 * (0.75 * 0.25 / 7) ** 0.5)
    (fraction,) = scored(make_run, right=6, result={"f1": 0.75})
    assert fraction.stderr == pytest.approx(percent.stderr / 100)


def test_an_error_bar_goes_to_the_metric_that_its_samples_explain(make_run):
    scores = scored(make_run, right=6, result={"accuracy": 12.0, "f1": 0.75, "exact_match": 75.0})
    assert [(score.metric, score.stderr is None) for score in scores] == [
        ("accuracy", True),
        ("f1", False),
        ("exact_match", True),
    ]


def test_numbers_that_are_not_finite_are_no_scores(make_run):
    assert [score.metric for score in scored(make_run, result={"accuracy": float("nan"), "f1": 1})] == ["f1"]


def test_unreadable_samples_cost_the_error_bar_only(store, make_run):
    run = make_run().fill()
    run.files.write(layout.samples(*PAIR), json.dumps({"correct": True}) + "\n")
    done = ingest(store, run.files, run.plan)
    assert done.scores == 4
    assert "without error bars" in done.damaged[0]


def test_an_evaluators_error_is_no_score(store, make_run):
    run = make_run().fill()
    run.score(*PAIR, result={"error": "no judge"})
    done = ingest(store, run.files, run.plan)
    assert done.scores == 3
    assert "no judge" in done.damaged[0]


def test_scores_know_their_series(store, make_run):
    run = make_run().fill()
    ingest(store, run.files, run.plan)
    assert [(row.series, row.step, row.origin) for row in store.checkpoints()] == [("tiny", 0, ""), ("tiny", 500, "")]


def test_the_groups_of_a_run_stand_beside_its_datasets(store, make_run):
    run = make_run().fill()
    groups = [{"name": "all", "subsets": ["sum", "facts"]}]
    plan = replace(run.plan, summarizer={"summary_groups": groups})
    for _ in range(2):
        ingest(store, run.files, plan)
    rows = {row.step: row for row in store.history(dataset="all", metric="naive_average")}
    assert [(row.value, row.n, row.series) for row in rows.values()] == [(31.25, 16, "tiny"), (56.25, 16, "tiny")]
    assert len({row.version for row in rows.values()}) == 1
    assert rows[0].weights_id == store.history(dataset="sum")[0].weights_id


def test_a_run_of_ours_is_imported_as_it_was_recorded(make_run, tmp_path):
    run = make_run().fill()
    run.files.write(layout.PLAN, run.plan.to_json())
    with Store.open(f"sqlite:///{tmp_path}/a.db") as first, Store.open(f"sqlite:///{tmp_path}/b.db") as second:
        ingest(first, run.files, run.plan)
        (dry,) = ingest_folders(None, [tmp_path], Naming()).runs
        (done,) = ingest_folders(second, [tmp_path], Naming()).runs
        assert dump(first) == dump(second)
    assert (dry.state, dry.scores, dry.samples) == (done.state, done.scores, done.samples) == (OURS, 4, 32)
