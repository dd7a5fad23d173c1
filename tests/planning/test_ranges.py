import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.planning.ranges import base_range, slices


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[:100]", (slice(None, 100),)),
        (" [ 3 : -1 ][0: 50]", (slice(3, -1), slice(0, 50))),
        ("[::2]", (slice(None, None, 2),)),
        ("", ()),
    ],
)
def test_slices_are_read(text, expected):
    assert slices(text) == expected


@pytest.mark.parametrize("text", ["[3]", "100", "[:100] + [1]", "[:x]", "[:1", "[__import__('os')]", "[:1]x[:2]"])
def test_what_is_no_slice_is_not_read(text):
    assert slices(text) is None


@pytest.mark.parametrize(
    ("test_range", "selected", "expected"),
    [
        (None, 100, ""),
        ("", 100, ""),
        (None, 10, "[:10]"),
        ("[:50]", 50, "[:50]"),
        ("[:50]", 10, "[:50][:10]"),
        (50, 50, None),
        (0.5, 50, None),
        ("[::0]", 50, None),
        ("random", 50, None),
    ],
)
def test_the_base_of_a_part_says_range_and_limit_where_a_string_can(test_range, selected, expected):
    assert base_range(test_range, 100, selected) == expected


number = st.none() | st.integers(-20, 20)


@given(st.lists(st.tuples(number, number), max_size=3), st.integers(1, 15), st.integers(1, 20))
def test_the_base_selects_what_range_and_limit_select(pairs, rows, limit):
    text = "".join(f"[{'' if a is None else a}:{'' if b is None else b}]" for a, b in pairs)
    kept = range(rows)
    for a, b in pairs:
        kept = kept[a:b]
    base = base_range(text, rows, len(kept[:limit]))
    again = range(rows)
    for piece in slices(base):
        again = again[piece]
    assert again == kept[:limit]
