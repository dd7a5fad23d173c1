"""A run before its gate, with scores and samples in a real database."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from gate_lab import right
from opencompass_ops.errors import InputError
from opencompass_ops.gates.detector import LEVEL, Score, SeriesDetector
from opencompass_ops.gates.judging import compare_named, judge_run
from opencompass_ops.gates.policy import ENFORCE, GatePolicy
from opencompass_ops.gates.verdict import FAIL, INCONCLUSIVE, PASS, SKIPPED
from opencompass_ops.gates.views import gate_text
from opencompass_ops.results.rows import PairRows, RunRow


def test_a_clear_drop_fails_names_the_dataset_and_shows_the_items(lab):
    lab.run(100, right(0.6))
    run = lab.run(200, right(0.6, lost=0.2))
    record = judge_run(lab.store, run, GatePolicy(mode=ENFORCE))
    assert record.outcome == FAIL
    assert record.is_red
    assert "tiny-step-200/sum" in record.headline
    only = record.datasets[0]
    assert only.kinds == ("previous", "best")
    assert only.lost == pytest.approx(120, abs=30)
    flip = only.flips[0]
    assert (flip.change, flip.gold) == ("lost", "gold")
    assert flip.answer == f"tiny-step-200 says {flip.idx}"
    assert flip.reference_answer == f"tiny-step-100 says {flip.idx}"
    assert flip.prompt.endswith(f"question {flip.idx}")
    text = gate_text(record)
    assert "MDE" in text
    assert flip.answer in text


def test_a_report_of_the_same_drop_turns_nothing_red(lab):
    lab.run(100, right(0.6))
    record = judge_run(lab.store, lab.run(200, right(0.6, lost=0.2)), GatePolicy())
    assert record.outcome == FAIL
    assert not record.is_red


def test_the_first_checkpoint_has_nothing_to_be_compared_with_and_that_is_never_red(lab):
    record = judge_run(lab.store, lab.run(100, right(0.6)), GatePolicy(mode=ENFORCE))
    assert record.outcome == SKIPPED
    assert not record.is_red
    assert "no earlier checkpoint" in record.headline


def test_a_checkpoint_that_is_as_good_passes_on_many_items_and_is_undecided_on_few(lab):
    lab.run(100, right(0.6, n=9000))
    assert judge_run(lab.store, lab.run(200, right(0.6, 0.01, 0.02, n=9000)), GatePolicy()).outcome == PASS
    lab.run(100, right(0.6, n=40), dataset="few")
    record = judge_run(lab.store, lab.run(200, right(0.6, n=40), dataset="few"), GatePolicy())
    assert record.outcome == INCONCLUSIVE
    assert record.datasets[0].mde > 1
    assert record.datasets[0].needed > 40


def test_baseline_previous_and_best_are_told_apart(lab):
    lab.run(None, right(0.9), model="mother", series="mother")
    lab.run(100, right(0.8))
    lab.run(200, right(0.5))
    run = lab.run(300, right(0.5))
    record = judge_run(lab.store, run, GatePolicy(baseline="mother"))
    kinds = {one.kinds: (one.reference, one.outcome) for one in record.datasets}
    assert kinds[("baseline",)] == ("mother", FAIL)
    assert kinds[("best",)] == ("tiny-step-100", FAIL)
    assert kinds[("previous",)][0] == "tiny-step-200"
    only = judge_run(lab.store, run, GatePolicy(baseline="mother", against=("previous",)))
    assert [one.reference for one in only.datasets] == ["tiny-step-200"]


def test_a_baseline_that_was_never_evaluated_is_said(lab):
    record = judge_run(lab.store, lab.run(100, right(0.5)), GatePolicy(baseline="nobody"))
    assert "'nobody'" in " ".join(record.notes)
    assert record.outcome == SKIPPED


def test_later_checkpoints_are_no_reference_of_earlier_ones(lab):
    lab.run(300, right(0.9))
    assert judge_run(lab.store, lab.run(200, right(0.5)), GatePolicy()).outcome == SKIPPED


def test_the_allowed_drop_is_that_of_the_dataset(lab):
    lab.run(100, right(0.6))
    run = lab.run(200, right(0.6, lost=0.1))
    assert judge_run(lab.store, run, GatePolicy(thresholds={"sum": 20.0})).outcome == PASS
    assert judge_run(lab.store, run, GatePolicy(datasets=("other",))).outcome == SKIPPED


def test_broken_answers_are_an_alarm_of_their_own_and_no_regression(lab):
    lab.run(100, right(0.6), health={"empty_predictions": 2})
    run = lab.run(200, right(0.6, lost=0.3), health={"empty_predictions": 300, "truncated": 10})
    record = judge_run(lab.store, run, GatePolicy(mode=ENFORCE))
    assert record.outcome == INCONCLUSIVE
    assert not record.is_red
    assert [(alarm.sign, alarm.items, alarm.before) for alarm in record.health] == [("empty_predictions", 300, 0.002)]
    assert "unhealthy" in record.datasets[0].reason
    assert "300 empty predictions" in gate_text(record)


def test_prompts_that_were_always_cut_do_not_excuse_a_drop(lab):
    lab.run(100, right(0.6), health={"truncated": 400})
    record = judge_run(lab.store, lab.run(200, right(0.6, lost=0.3), health={"truncated": 400}), GatePolicy())
    assert record.outcome == FAIL
    assert record.health


def test_without_items_the_standard_errors_are_compared(lab):
    lab.run(100, right(0.6), samples=False)
    record = judge_run(lab.store, lab.run(200, right(0.4), samples=False), GatePolicy())
    assert (record.outcome, record.datasets[0].method) == (FAIL, "unpaired")
    assert re.search(r" -\s+-\s+1000\s+unpaired", gate_text(record)), "no item was counted"


def test_a_series_that_fell_is_an_alert_beside_the_gate(lab):
    for step in range(1, 6):
        lab.run(step, right(0.6))
    record = judge_run(lab.store, lab.run(6, right(0.45)), GatePolicy())
    assert [(alert.dataset, alert.since, alert.reference_step) for alert in record.alerts] == [("sum", 6, 5)]


def test_what_the_detector_takes_for_noise_is_no_alert(lab):
    for step in range(1, 6):
        lab.run(step, right(0.6))
    slightly_lower = lab.run(6, right(0.555))
    watch = SeriesDetector()
    *_, found = [watch.observe(Score(step, 60.0 if step < 6 else 55.5, 1.5)) for step in range(1, 7)]
    assert LEVEL < found.p_value < GatePolicy().alert_q
    assert judge_run(lab.store, slightly_lower, GatePolicy()).alerts == ()


def with_group(lab, step, correct, value):
    """A run with one dataset and a summary group, as the ingest stores it."""
    folder = lab.run(step, correct)
    (row,) = (row for row in lab.store.history() if row.run_dir == folder)
    group = replace(
        row, dataset="group", metric="standard_deviation", value=value, stderr=None, evaluation_fingerprint="group:0a"
    )
    run = RunRow(folder, "20261121_120000", "c", "c", "all", "complete", 2, 2, "", row.created_at)
    pairs = [PairRows(row.model, one.dataset, (), (one,), ()) for one in (row, group)]
    lab.store.record_run(run, pairs)
    return folder


def test_summary_groups_are_not_judged_and_one_that_the_settings_name_is_told(lab):
    for step in range(1, 6):
        with_group(lab, step, right(0.6), 9.0)
    run = with_group(lab, 6, right(0.6), 3.0)
    record = judge_run(lab.store, run, GatePolicy())
    assert {one.dataset for one in record.datasets} == {"sum"}
    assert (record.notes, record.alerts) == ((), ())
    assert compare_named(lab.store, "tiny-step-5", "tiny-step-6", GatePolicy()).notes == ()
    record = judge_run(lab.store, run, GatePolicy(datasets=("group",), thresholds={"nobody": 2.0}))
    assert record.outcome == SKIPPED
    assert "'group', which is no dataset" in record.headline
    assert "'nobody'" in gate_text(record)


def test_only_the_best_that_passes_is_promoted(lab):
    policy = GatePolicy(promote="better", approval=True)
    first = judge_run(lab.store, lab.run(100, right(0.6, n=9000)), policy)
    assert first.promotion is not None
    assert (first.promotion.model, first.promotion.approval) == ("tiny-step-100", True)
    assert judge_run(lab.store, lab.run(200, right(0.597, n=9000)), policy).promotion is None
    assert judge_run(lab.store, lab.run(300, right(0.7, n=9000)), policy).promotion is not None
    assert judge_run(lab.store, lab.run(400, right(0.7, n=9000)), GatePolicy()).promotion is None


def test_an_earlier_checkpoint_that_is_evaluated_later_is_promoted_only_when_it_beats_the_later_ones(lab):
    policy = GatePolicy(promote="better")
    assert judge_run(lab.store, lab.run(300, right(0.6)), policy).promotion is not None
    assert judge_run(lab.store, lab.run(100, right(0.5)), policy).promotion is None
    assert judge_run(lab.store, lab.run(150, right(0.6)), policy).promotion is None  # of equals the later one
    older = lab.run(50, right(0.7))
    assert judge_run(lab.store, older, policy).promotion is not None
    lab.run(400, right(0.9))
    assert judge_run(lab.store, older, policy).promotion is None


def test_two_names_are_compared_on_what_they_share(lab):
    lab.run(100, right(0.6))
    lab.run(200, right(0.6, lost=0.2))
    record = compare_named(lab.store, "tiny-step-100", "tiny-step-200", GatePolicy())
    assert record.outcome == FAIL
    assert "worse than tiny-step-100 (60.00), allowed 1.00" in record.headline
    assert compare_named(lab.store, "tiny-step-200", "tiny-step-100", GatePolicy()).outcome == PASS


def test_names_that_cannot_be_compared_are_refused_with_the_reason(lab):
    folder = lab.run(100, right(0.6))
    lab.run(200, right(0.6), dataset="other")
    with pytest.raises(InputError, match="no scores of any dataset"):
        compare_named(lab.store, folder, "tiny-step-200", GatePolicy())
    with pytest.raises(InputError, match="no evaluated model"):
        compare_named(lab.store, "nobody", "tiny-step-200", GatePolicy())


def test_the_record_is_one_json_object_that_messages_can_read(lab):
    lab.run(100, right(0.6))
    body = json.loads(judge_run(lab.store, lab.run(200, right(0.3)), GatePolicy()).to_json())
    assert body["outcome"] == FAIL
    entry = body["datasets"][0]
    needed = {"model", "dataset", "outcome", "value", "reference_value", "reference", "p_value", "adjusted"}
    assert needed <= entry.keys()


@pytest.mark.parametrize("sign", ["truncated", "empty_predictions", "empty_answers", "unjudged"])
def test_the_first_checkpoint_of_a_series_is_not_promoted_when_its_evaluation_is_unhealthy(lab, sign):
    first = judge_run(lab.store, lab.run(100, right(0.6), health={sign: 60}), GatePolicy(promote="better"))
    assert (first.outcome, first.promotion) == (SKIPPED, None)
    assert "is not promoted" in gate_text(first)
    healthy = lab.run(50, right(0.7), health={sign: 50})
    assert judge_run(lab.store, healthy, GatePolicy(promote="better")).promotion is not None


def test_ill_health_that_is_not_new_excuses_no_drop_and_is_not_promoted_either(lab):
    lab.run(100, right(0.6, n=9000), health={"truncated": 900})
    run = lab.run(200, right(0.7, n=9000), health={"truncated": 900})
    record = judge_run(lab.store, run, GatePolicy(promote="better"))
    assert (record.outcome, record.promotion) == (PASS, None)
    assert judge_run(lab.store, run, GatePolicy(promote="better", unhealthy=0.2)).promotion is not None


def test_ill_health_of_what_does_not_decide_stops_no_promotion(lab):
    policy = GatePolicy(promote="better", datasets=("sum",))
    folder = lab.run(100, right(0.6), health={"empty_answers": 900}, dataset="other")
    run = lab.run(100, right(0.6))
    (other,) = lab.store.history(run_dir=folder)
    row = RunRow(run, "20261121_120000", "c", "c", "all", "complete", 2, 2, "", other.created_at)
    lab.store.record_run(row, [PairRows(other.model, "other", (), (replace(other, run_dir=run),), ())])
    record = judge_run(lab.store, run, policy)
    assert record.health
    assert record.promotion is not None
