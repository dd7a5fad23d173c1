"""Baselines that are versions of a series, and what is refused before anything is started."""

from __future__ import annotations

import pytest

from gate_lab import right
from opencompass_ops.errors import InputError
from opencompass_ops.gates.judging import compare_named, judge_rows, judge_run
from opencompass_ops.gates.policy import GatePolicy
from opencompass_ops.gates.references import check_baseline, first_metrics


def baselines(record):
    return [(one.reference, one.reference_value) for one in record.datasets if "baseline" in one.kinds]


def overwritten(lab):
    """Step 100 was overwritten in place after its evaluation: two versions of one name and one step."""
    lab.run(100, right(0.8), weights="first")
    lab.run(100, right(0.2), weights="second")
    lab.run(200, right(0.5), weights="third")
    lab.register("first", "second")
    lab.register("third", step=200)


def test_a_baseline_that_is_a_version_is_found_by_the_weights_that_are_registered_under_it(lab):
    overwritten(lab)
    run = lab.run(300, right(0.6))
    assert baselines(judge_run(lab.store, run, GatePolicy(baseline="0.0.1"))) == [("tiny-step-100", 80.0)]
    assert baselines(judge_run(lab.store, run, GatePolicy(baseline="0.0.2"))) == [("tiny-step-100", 20.0)]
    assert baselines(judge_run(lab.store, run, GatePolicy(baseline="0.0.3"))) == [("tiny-step-200", 50.0)]


def test_a_version_is_looked_up_once_however_many_datasets_there_are(lab, monkeypatch):
    rows = []
    for number in range(4):
        lab.run(100, right(0.8), weights="first", dataset=f"d{number}")
        run = lab.run(200, right(0.6), weights="second", dataset=f"d{number}")
        rows += first_metrics(lab.store.history(run_dir=run))
    lab.register("first")
    asked, versions = [], lab.store.versions
    monkeypatch.setattr(lab.store, "versions", lambda *series: asked.append(series) or versions(*series))
    record = judge_rows(lab.store, rows, GatePolicy(baseline="0.0.1"))
    assert baselines(record) == [("tiny-step-100", 80.0)] * 4
    assert asked == [("tiny",)]


def test_a_version_of_another_series_is_named_with_it(lab):
    overwritten(lab)
    run = lab.run(7, right(0.6), series="other")
    assert baselines(judge_run(lab.store, run, GatePolicy(baseline="tiny@0.0.1"))) == [("tiny-step-100", 80.0)]


def test_a_version_whose_weights_the_place_tells_in_its_own_way_is_found_by_its_step(lab):
    lab.run(100, right(0.8))
    lab.register("etag:1")
    run = lab.run(200, right(0.6))
    assert baselines(judge_run(lab.store, run, GatePolicy(baseline="0.0.1"))) == [("tiny-step-100", 80.0)]


def test_the_baseline_itself_is_not_told_that_it_has_no_scores(lab):
    run = lab.run(100, right(0.8), weights="first")
    lab.register("first")
    notes = judge_run(lab.store, run, GatePolicy(baseline="0.0.1")).notes
    assert not any("baseline '0.0.1'" in note for note in notes)


def test_versions_are_compared_by_hand(lab):
    overwritten(lab)
    (found,) = compare_named(lab.store, "tiny@0.0.1", "tiny@0.0.2", GatePolicy()).datasets
    assert (found.reference_value, found.value) == (80.0, 20.0)
    with pytest.raises(InputError, match=r"no version 0.0.9; there are: 0.0.1, 0.0.2, 0.0.3"):
        compare_named(lab.store, "tiny@0.0.9", "tiny@0.0.2", GatePolicy())
    lab.register(*(f"w{number}" for number in range(20)))
    with pytest.raises(InputError, match=r"there are: 0.0.1, 0.0.2, 0.0.3, ..., 0.0.21, 0.0.22, 0.0.23$"):
        compare_named(lab.store, "tiny@0.0.99", "tiny@0.0.2", GatePolicy())
    with pytest.raises(InputError, match=r"SERIES@0.0.1"):
        compare_named(lab.store, "0.0.1", "tiny@0.0.2", GatePolicy())


def test_an_unknown_version_is_refused_with_those_that_exist(lab):
    overwritten(lab)
    check_baseline(lab.store, "0.0.3", "tiny")
    check_baseline(lab.store, "tiny@0.0.3", "other")
    check_baseline(lab.store, "mother-1b", "tiny")
    check_baseline(lab.store, "", "tiny")
    with pytest.raises(InputError, match=r"series 'tiny' has no version 0.0.4; there are: 0.0.1, 0.0.2, 0.0.3"):
        check_baseline(lab.store, "0.0.4", "tiny")
    with pytest.raises(InputError, match=r"series 'other' has no version 0.0.1; there are: none"):
        check_baseline(lab.store, "0.0.1", "other")
    with pytest.raises(InputError, match=r"SERIES@0.0.1"):
        check_baseline(lab.store, "0.0.1", "")
