"""Error bars against scipy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from opencompass_ops.results.statistics import estimate, standard_error, wilson_interval


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_is_scipys(counts):
    successes, n = counts
    wanted = stats.binomtest(successes, n).proportion_ci(confidence_level=0.95, method="wilson")
    assert wilson_interval(successes, n) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=50))
def test_the_standard_error_is_scipys(scores):
    assert standard_error(scores) == pytest.approx(float(stats.sem(scores)), abs=1e-9)


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 4), (5, 4)])
def test_what_is_no_proportion_is_refused(successes, n):
    with pytest.raises(ValueError, match="no proportion"):
        wilson_interval(successes, n)


def test_right_and_wrong_scores_get_wilsons_interval_even_when_all_are_right():
    all_right = estimate([1.0] * 20)
    assert (all_right.mean, all_right.stderr, all_right.high) == (1.0, 0.0, 1.0)
    assert all_right.low == pytest.approx(wilson_interval(20, 20)[0])


def test_graded_scores_get_the_normal_interval():
    graded = estimate([0.0, 0.5, 1.0])
    assert graded.high - graded.mean == pytest.approx(stats.norm.ppf(0.975) * graded.stderr)


def test_one_score_says_nothing_about_its_spread():
    assert standard_error([0.5]) is None
    assert estimate([0.5]).low is None
    assert estimate([]) is None
