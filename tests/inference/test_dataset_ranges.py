"""Ranges select what OpenCompass's reader selects."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.problems import InputProblem
from inference.ranges import select

bounds = st.one_of(st.none(), st.integers(-30, 30))
steps = st.one_of(st.none(), st.integers(-5, 5).filter(bool))
spaces = st.sampled_from(["", " "])


@st.composite
def slices(draw):
    start, stop, step, space = draw(bounds), draw(bounds), draw(steps), draw(spaces)
    texts = ["" if bound is None else str(bound) for bound in (start, stop)]
    last = "" if step is None else f":{step}"
    return f"[{texts[0]}:{space}{texts[1]}{last}]"


@given(st.integers(0, 40), st.lists(slices(), max_size=3))
def test_string_ranges_are_python_slices_one_after_the_other(total, parts):
    spec = "".join(parts)
    assert select(spec, total) == eval(f"rows{spec}", {"rows": list(range(total))})


def reference_sample(size, total):
    rows = list(range(total))
    if size <= 0 or size >= total:
        return rows
    size = int(size * total) if size < 1 else size
    random.Random(x=size).shuffle(rows)
    return rows[:size]


@given(st.integers(-3, 60), st.integers(1, 50))
def test_a_count_is_a_sample_seeded_by_itself(size, total):
    assert select(size, total) == reference_sample(size, total)


@given(st.floats(0.01, 0.99), st.integers(1, 50))
def test_a_fraction_is_a_sample_seeded_by_the_count_it_gives(size, total):
    assert select(size, total) == reference_sample(size, total)


def test_the_sample_of_three_of_ten_stays_what_it_is():
    assert select(3, 10) == [1, 5, 6]
    assert select(0.3, 10) == [1, 5, 6]


def test_the_partitioners_composed_range_is_read():
    assert select("[:100][0: 50]", 200) == list(range(50))
    assert select("[10:][3:5]", 200) == [13, 14]


def test_no_range_is_every_row():
    assert select(None, 3) == [0, 1, 2]
    assert select("", 3) == [0, 1, 2]


@pytest.mark.parametrize(
    "spec",
    ["4000[0: 2000]", "[5]", "[a:b]", "[:__import__('os')]", "[::0]", "[:3", ":3", "[1:2:3:4]", "[1_0:]", True, [1]],
)
def test_a_malformed_range_is_refused_by_name(spec):
    with pytest.raises(InputProblem, match="range"):
        select(spec, 10)
