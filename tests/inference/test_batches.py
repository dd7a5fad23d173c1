"""Batches hold every item once, keep the budget and do not depend on what was answered before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inference.batches import plan_batches

ITEMS = st.lists(st.tuples(st.integers(1, 50), st.integers(1, 5)), max_size=30)


@given(items=ITEMS, budget=st.integers(1, 12))
def test_batches_hold_every_item_once_within_the_budget(items, budget):
    lengths, rows = [length for length, _ in items], [count for _, count in items]
    batches = plan_batches(lengths, rows, budget)
    assert sorted(item for batch in batches for item in batch) == list(range(len(items)))
    assert all(sum(rows[item] for item in batch) <= budget or len(batch) == 1 for batch in batches)
    order = [lengths[item] for batch in batches for item in batch]
    assert order == sorted(order, reverse=True)


def test_equal_lengths_keep_their_order():
    assert plan_batches([3, 5, 3, 3], [1, 1, 1, 1], 2) == [(1, 0), (2, 3)]
