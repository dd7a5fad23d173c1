"""Paired tests against scipy and statsmodels, and their error rates in simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from opencompass_ops.gates.comparison import BOOTSTRAP, MCNEMAR, mcnemar_exact, paired, unpaired
from opencompass_ops.gates.multiplicity import benjamini_hochberg, holm
from opencompass_ops.gates.power import items_needed, minimum_detectable_effect
from opencompass_ops.gates.verdict import FAIL, INCONCLUSIVE, PASS, SKIPPED, Judged, judge, overall

COUNTS = st.integers(0, 60)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def statsmodels(name):
    return pytest.importorskip(f"statsmodels.stats.{name}", reason="statsmodels is not installed; see requirements-dev")


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_mcnemar_is_that_of_statsmodels(lost, gained):
    reference = statsmodels("contingency_tables").mcnemar([[3, lost], [gained, 5]], exact=True).pvalue
    assert mcnemar_exact(lost, gained) == pytest.approx(min(1.0, reference))


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_mcnemar_of_being_worse_is_the_tail_of_a_fair_coin(lost, gained):
    assert mcnemar_exact(lost, gained, "worse") == pytest.approx(stats.binom.sf(lost - 1, lost + gained, 0.5))


@settings(deadline=None)
@given(P_VALUES)
def test_holm_and_benjamini_hochberg_are_those_of_statsmodels(p_values):
    multipletests = statsmodels("multitest").multipletests
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert benjamini_hochberg(p_values) == pytest.approx(multipletests(p_values, method="fdr_bh")[1])


def test_corrections_of_nothing_are_nothing():
    assert holm([]) == []
    assert benjamini_hochberg([]) == []


def test_items_that_flip_are_counted_and_the_interval_holds_the_difference():
    found = paired([1, 1, 1, 0, 0, 1, 1, 1, 1, 1], [1, 0, 0, 1, 0, 1, 1, 1, 1, 1])
    assert (found.lost, found.gained, found.method) == (2, 1, MCNEMAR)
    assert found.difference == pytest.approx(-0.1)
    assert found.low < found.difference < found.high


def test_few_items_without_a_flip_are_no_proof_that_nothing_changed():
    assert paired([1] * 10, [1] * 10).low < -0.1


def test_the_bootstrap_agrees_with_the_paired_t_test_where_that_holds():
    rng = np.random.default_rng(1)
    old = rng.normal(0.5, 0.2, 400)
    new = old + rng.normal(-0.015, 0.15, 400)
    found = paired(old.tolist(), new.tolist())
    reference = stats.ttest_rel(new, old, alternative="less")
    low, high = stats.ttest_rel(new, old).confidence_interval()
    assert found.method == BOOTSTRAP
    assert found.p_value == pytest.approx(reference.pvalue, abs=0.01)
    assert (found.low, found.high) == (pytest.approx(low, abs=0.002), pytest.approx(high, abs=0.002))


def test_the_bootstrap_says_the_same_when_it_is_asked_again():
    scores = np.random.default_rng(1).random((2, 50)).tolist()
    assert paired(*scores) == paired(*scores)


def test_a_loss_that_rises_is_worse():
    assert paired([1.5, 2.0, 2.5], [1.6, 2.2, 2.8], lower_is_better=True).difference < 0


def test_lists_of_other_lengths_are_not_compared():
    with pytest.raises(ValueError, match="item by item"):
        paired([1, 0], [1])


def test_two_scores_without_items_are_compared_by_their_errors():
    found = unpaired((0.5, 0.03), (0.4, 0.04), 100)
    assert found.stderr == pytest.approx(0.05)
    assert found.p_value == pytest.approx(stats.norm.cdf(-2))


def flips(rng, n, lost, gained):
    """A reference and a candidate whose items are lost and gained with these probabilities."""
    draw = rng.random(n)
    old = np.where(draw < lost, 1, np.where(draw < lost + gained, 0, rng.integers(0, 2, n)))
    new = np.where(draw < lost, 0, np.where(draw < lost + gained, 1, old))
    return old.tolist(), new.tolist()


def rejected(draws, n, lost, gained, alpha=0.05):
    rng = np.random.default_rng(7)
    return sum(paired(*flips(rng, n, lost, gained)).p_value <= alpha for _ in range(draws)) / draws


def test_simulated_false_alarms_of_mcnemar_stay_below_the_level():
    draws = 400
    assert rejected(draws, 300, 0.05, 0.05) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / draws)


def test_simulated_power_at_the_minimum_detectable_effect_is_four_in_five():
    n, changed, draws = 1000, 0.15, 400
    effect = minimum_detectable_effect(math.sqrt(changed / n), 0.05)
    found = rejected(draws, n, (changed + effect) / 2, (changed - effect) / 2)
    # the exact test is a little conservative: its level is below 5 % because counts are whole numbers
    assert found == pytest.approx(0.8, abs=0.03 + 3 * math.sqrt(0.16 / draws))


def test_simulated_coverage_of_the_interval_is_what_it_says():
    rng, draws, inside = np.random.default_rng(3), 400, 0
    for _ in range(draws):
        found = paired(*flips(rng, 80, 0.08, 0.03))
        inside += found.low <= -0.05 <= found.high
    assert inside / draws >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / draws)


def test_simulated_false_alarms_of_the_bootstrap_are_at_the_level(monkeypatch):
    monkeypatch.setattr("opencompass_ops.gates.comparison.RESAMPLES", 999)
    rng, draws = np.random.default_rng(5), 200
    told = sum(paired(*rng.normal(0, 1, (2, 60)).tolist()).p_value <= 0.05 for _ in range(draws))
    assert told / draws == pytest.approx(0.05, abs=0.01 + 3 * math.sqrt(0.05 * 0.95 / draws))


def test_the_published_table_of_effects_is_met():
    # 15 % of 164 items change between neighbours: 8.5 points, two-sided at 5 %
    assert minimum_detectable_effect(math.sqrt(0.15 / 164), 0.025) == pytest.approx(0.085, abs=0.0005)
    assert items_needed(math.sqrt(0.15 / 164), 164, 0.085, 0.025) == pytest.approx(164, abs=2)


def entry(lost, gained, n, allowed=0.01, counts=True):
    return Judged(
        paired([1] * lost + [0] * (n - lost), [0] * lost + [1] * gained + [0] * (n - lost - gained)), allowed, counts
    )


def test_a_large_drop_fails_a_small_set_cannot_tell_and_a_large_one_that_stays_passes():
    outcomes = [one.outcome for one in judge([entry(80, 20, 1000), entry(3, 1, 160), entry(20, 20, 9000)], 0.05)]
    assert outcomes == [FAIL, INCONCLUSIVE, PASS]


def test_a_drop_within_what_is_allowed_never_fails():
    assert judge([entry(300, 200, 10_000, allowed=0.02)], 0.05)[0].outcome == PASS


def test_one_of_many_datasets_must_be_worse_than_one_alone_to_fail():
    suspect = entry(20, 8, 400)
    assert judge([suspect], 0.05)[0].outcome == FAIL
    assert judge([suspect, *[entry(5, 5, 400)] * 9], 0.05)[0].outcome == INCONCLUSIVE


def test_what_does_not_decide_takes_nothing_from_what_does():
    suspect = entry(20, 8, 400)
    assert judge([suspect, *[entry(5, 5, 400, counts=False)] * 9], 0.05)[0].outcome == FAIL


def test_the_gate_fails_with_any_passes_with_all_and_says_when_there_is_nothing():
    assert overall([PASS, FAIL, INCONCLUSIVE]) == FAIL
    assert overall([PASS, PASS]) == PASS
    assert overall([PASS, INCONCLUSIVE]) == INCONCLUSIVE
    assert overall([]) == SKIPPED
