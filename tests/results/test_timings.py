"""What jobs took, from their files to the costs that the next plan reckons with."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from opencompass_ops.contract import layout
from opencompass_ops.contract.records import ExitRecord, Manifest
from opencompass_ops.history import learned_costs
from opencompass_ops.planning.costs import Work
from opencompass_ops.results.findings import examine
from opencompass_ops.results.ingest import ingest
from opencompass_ops.results.timings import timings_of

MODEL, TOKEN = "tiny-step-000500", "oc-1-e1"


def time_parts(run, *timings, dataset="facts", token=TOKEN):
    """Put timings into the manifests of the pair's parts."""
    for part, timing in zip(run.parts(MODEL, dataset), timings, strict=True):
        path = run.files.path(layout.manifest(layout.prediction(MODEL, part.name)))
        manifest = Manifest.from_json(path.read_bytes())
        details = {} if timing is None else {"timing": timing}
        shard = f"infer-{MODEL}-{dataset}"
        path.write_text(replace(manifest, shard=shard, token=token, details=details).to_json())


def end(run, token=TOKEN, **changes):
    record = ExitRecord(
        token, "17", 0, 1, 0, started_at="2026-01-01T00:00:00.000+00:00", finished_at="2026-01-01T00:01:40.500+00:00"
    )
    run.files.write(layout.exit_record(token), replace(record, **changes).to_json())


def timing(seconds, answered=4, device="NVIDIA H200"):
    return {"seconds": seconds, "answered": answered, "device": device}


@pytest.fixture
def run(make_run):
    made = make_run().fill()
    models = tuple(replace(model, weights_bytes=14_000_000_000) for model in made.plan.models)
    datasets = tuple(replace(dataset, row_cost=20) for dataset in made.plan.datasets)
    shards = tuple(replace(shard, num_gpus=2, place="slurm/a/") for shard in made.plan.shards)
    made.plan = replace(made.plan, models=models, datasets=datasets, shards=shards)
    return made


def found(run):
    rows = timings_of(run.files, run.plan, examine(run.files, run.plan))
    return {row.part: (row.items, row.seconds) for row in rows}


def test_parts_tell_their_time_and_what_is_left_of_the_job_is_its_load(run):
    time_parts(run, timing(30.0), timing(40.0))
    end(run)
    assert found(run) == {"facts_0": (4, 30.0), "facts_1": (4, 40.0), "": (1, 30.5)}


@pytest.mark.parametrize("changes", [{"returncode": 1}, {"restart": 1}, {"finished_at": "soon"}, {"finished_at": ""}])
def test_a_job_that_did_not_go_its_usual_way_tells_no_load(run, changes):
    time_parts(run, timing(30.0), timing(40.0))
    end(run, **changes)
    assert found(run) == {"facts_0": (4, 30.0), "facts_1": (4, 40.0)}


@pytest.mark.parametrize(
    "broken",
    [
        None,
        "fast",
        {"seconds": "long"},
        {"answered": 3},
        {"seconds": 0, "answered": 4},
        {"seconds": 1.0, "answered": 0},
    ],
)
def test_a_part_without_a_usable_time_tells_nothing_and_hides_the_load(run, broken):
    time_parts(run, timing(30.0), broken)
    end(run)
    assert found(run) == {"facts_0": (4, 30.0)}


def test_a_damaged_exit_record_tells_no_load(run):
    time_parts(run, timing(30.0), timing(40.0))
    run.files.write(layout.exit_record(TOKEN), "{")
    assert set(found(run)) == {"facts_0", "facts_1"}


def test_reused_parts_were_timed_where_they_were_answered(run):
    time_parts(run, timing(30.0), timing(40.0))
    end(run)
    pairs = tuple(replace(pair, reused=pair.parts) for pair in run.plan.pairs)
    run.plan = replace(run.plan, pairs=pairs)
    assert found(run) == {}


def test_what_jobs_took_is_learned_once_however_often_the_run_is_ingested(run, store):
    time_parts(run, timing(2000.0, answered=400), timing(2000.0, answered=400))
    end(run, finished_at="2026-01-01T02:00:00.000+00:00")
    for _ in range(2):
        ingest(store, run.files, run.plan)
    assert len(store.timings()) == 3
    costs = learned_costs(store)
    assert costs.devices == {"slurm/a/": "NVIDIA H200"}
    load = Work("native", "NVIDIA H200", 2, 14_000_000_000)
    assert costs.row_seconds(replace(load, dataset="facts", row_cost=20)) == pytest.approx(5.0, rel=0.05)
    assert costs.load_seconds(load) > 500
    assert json.loads(run.files.read(layout.exit_record(TOKEN)))["returncode"] == 0


def test_the_newest_timings_are_read(store, run):
    time_parts(run, timing(30.0), timing(40.0))
    end(run)
    rows = timings_of(run.files, run.plan, examine(run.files, run.plan))
    later = [replace(row, token="oc-2-e1", created_at="2027-01-01T00:00:00+00:00") for row in rows]
    store.record_timings(rows)
    store.record_timings(later)
    assert [row.token for row in store.timings(limit=3)] == ["oc-2-e1"] * 3
