"""Samples in the shapes that releases of OpenCompass gave ``details``."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.imports.details import count_of, samples_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["0", "1", "correct", "type", "is_correct", "²", "example_abbr"]), inner)
    ),
    max_leaves=20,
)
GRADED = [(0, True, 1.0), (1, False, 0.0)]


@pytest.mark.parametrize(
    "details",
    [
        pytest.param(
            {"0": {"pred": "a", "correct": True}, "1": {"pred": "b", "correct": False}}, id="of the evaluator"
        ),
        pytest.param({"type": "PPL", "1": {"correct": False}, "0": {"correct": True}}, id="of the task"),
        pytest.param([{"correct": True}, {"correct": False}], id="plain list"),
        pytest.param([{"correct": [True], "pred": ["a"]}, {"correct": [False]}], id="list of one replica"),
        pytest.param({"0": {"is_correct": True}, "1": {"is_correct": False}}, id="other word"),
        pytest.param([{"cascade_correct": [1]}, {"cascade_correct": [0]}], id="of a cascade"),
    ],
)
def test_every_shape_tells_the_same(details):
    assert [(s.idx, s.correct, s.score) for s in samples_of(details)] == GRADED
    assert count_of(details) == 2


def test_many_entries_come_in_the_order_of_their_numbers():
    details = {str(n): {"correct": n == 10} for n in range(12)}
    assert [sample.idx for sample in samples_of(details) if sample.correct] == [10]


def test_of_several_replicas_the_score_is_the_mean():
    (sample,) = samples_of([{"example_abbr": "gsm8k_0", "correct": [True, False, False, True]}])
    assert (sample.row, sample.correct, sample.score) == ("gsm8k_0", None, 0.5)


def test_an_entry_without_a_mark_has_no_score_beside_others_that_have():
    assert [s.score for s in samples_of([{"correct": True}, {"correct": None}, {"pred": "x"}])] == [1.0, None, None]


@pytest.mark.parametrize("details", [None, [], {}, "text", 7, {"type": "GEN", "0": {"prompt": "p"}}, [1, 2]])
def test_details_without_marks_are_no_samples(details):
    assert samples_of(details) == ()


@given(JSON)
def test_nothing_that_json_can_hold_is_too_odd(details):
    assert all(sample.score is None or 0 <= sample.score <= 1 for sample in samples_of(details))
