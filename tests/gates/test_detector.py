"""The detector: what it tells of series, and how often it is wrong."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.surrogates import calibration_series, curve_of, drops_found, false_alarms, found_by_oracle
from opencompass_ops.gates.detector import LEARNED, Score, SeriesDetector
from opencompass_ops.gates.table import SeriesKey, read_scores, replay

PYTHIA = Path(__file__).parent.parent / "golden" / "pythia"


def alarms(values, stderr=0.01, **options):
    detector = SeriesDetector(**options)
    found = [detector.observe(Score(step, value, stderr)) for step, value in enumerate(values)]
    return [one for one in found if one is not None and one.is_alarm]


def test_the_decline_of_pythia_160m_on_lambada_is_told_in_time_and_its_piqa_is_left_alone():
    told = list(replay(read_scores(PYTHIA / "replay.csv")))
    assert {alarm.task for alarm in told} == {"lambada_openai"}
    assert 73_000 <= told[0].step <= 113_000
    assert told[0].reference_step == 63_000
    assert told[0].p_value <= 0.01


def test_no_series_of_pythia_160m_is_calibrated_on():
    series = read_scores(PYTHIA / "replay.csv") | read_scores(PYTHIA / "curves.csv")
    used = calibration_series(series)
    assert used
    assert not any("160m" in key.model for key in used)


@pytest.fixture(scope="module")
def curves():
    return [curve_of(scores) for scores in calibration_series(read_scores(PYTHIA / "curves.csv")).values()]


DRAWS = pytest.mark.parametrize("draws", [200, pytest.param(1_000, marks=pytest.mark.soak)])
"""Three standard deviations of the simulation itself are allowed for: of the false alarms, of which there may be 1 in
100 checkpoints, about 0.5 with 200 draws of some 20 checkpoints and 0.2 with 1,000; of the 80 % that are to be found,
8.5 and 3.8. docs/gates.md has the figures of 1,000 draws on all published curves."""


@DRAWS
def test_false_alarms_are_at_most_one_in_a_hundred_checkpoints(curves, draws):
    told, checkpoints = false_alarms(curves, draws, seed=1)
    assert told / checkpoints <= 0.01 + 3 * math.sqrt(0.01 / checkpoints)


@DRAWS
def test_four_of_five_drops_of_three_standard_errors_are_found_within_two_checkpoints(curves, draws):
    found = drops_found(curves, draws, seed=2)
    assert found.share >= 0.8 - 3 * math.sqrt(0.8 * 0.2 / found.drops)


def test_no_detector_could_find_more_below_rising_curves_than_who_knows_them(curves):
    found, knows_past, knows_all = (
        drops_found(curves, 200, seed=3, from_level=False).share,
        *(found_by_oracle(curves, 2_000, seed=3, sees_ahead=sees).share for sees in (False, True)),
    )
    assert found < knows_past < knows_all
    assert knows_all == pytest.approx(NormalDist().cdf(3 * math.sqrt(2) - NormalDist().inv_cdf(0.99)), abs=0.02)


def test_a_detector_that_never_speaks_fails_the_same_demand(curves, monkeypatch):
    monkeypatch.setattr("opencompass_ops.gates.detector.LEVEL", -1.0)
    assert drops_found(curves, 20, seed=2).share == 0


def test_a_lasting_fall_is_told_once_and_a_further_one_again():
    told = alarms([0.5] * 6 + [0.45] * 6 + [0.4] * 6)
    assert [(one.step, one.since) for one in told] == [(6, 6), (12, 12)]
    assert told[0].reference_value == pytest.approx(0.5)
    assert told[0].reference_step == 5


def test_a_slow_decline_is_told_though_no_step_of_it_is_large():
    assert alarms([0.5 - 0.006 * at for at in range(12)])


def test_growth_is_never_an_alarm():
    assert not alarms([0.1, 0.2, 0.25, 0.4, 0.4, 0.41, 0.9])


def test_a_loss_gets_worse_by_rising():
    assert not alarms([3.0, 2.0, 1.0], lower_is_better=True)
    assert alarms([1.0, 1.0, 1.0, 2.0], lower_is_better=True)


def test_scores_without_noise_that_fall_at_all_are_told_and_those_that_stay_are_not():
    assert not alarms([0.0] * 9, stderr=0.0)
    assert alarms([1.0] * 3 + [0.9], stderr=0.0)[0].p_value == 0


def test_scores_that_state_no_error_are_judged_by_how_much_they_varied():
    quiet = [0.5, 0.51, 0.5, 0.49, 0.5, 0.51, 0.5, 0.49]
    assert not alarms([0.5, 0.1], stderr=None)
    assert not alarms([*quiet, 0.5], stderr=None)
    assert alarms([*quiet, 0.3], stderr=None)
    assert len(quiet) >= LEARNED


@given(st.lists(st.floats(0, 1), min_size=1, max_size=25), st.integers(1, 24))
def test_what_comes_later_changes_nothing_that_was_said(values, cut):
    assert alarms(values[:cut]) == [one for one in alarms(values) if one.step < cut]


@pytest.mark.parametrize(
    "score", [Score(3, 0.5, 0.1), Score(5, math.nan, 0.1), Score(5, 0.5, -1.0), Score(5, 0.5, math.inf)]
)
def test_what_is_no_further_score_is_refused(score):
    detector = SeriesDetector()
    detector.observe(Score(4, 0.5, 0.1))
    with pytest.raises(ValueError, match="step"):
        detector.observe(score)


def test_several_rows_of_one_step_are_averaged_and_order_does_not_matter(tmp_path):
    table = tmp_path / "scores.csv"
    table.write_text(
        "step,model,task,metric,value,stderr,note\n"
        "2,m,t,acc,0.4,0.01,x\n1,m,t,acc,0.5,0.01,x\n2,m,t,acc,0.6,0.03,x\n3,m,t,acc,,0.01,x\n"
    )
    series = read_scores(table)
    assert series == {SeriesKey("m", "", "t", "acc"): [Score(1, 0.5, 0.01), Score(2, 0.5, 0.02)]}
