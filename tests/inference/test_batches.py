"""Batches hold every item once, keep the budget and do not depend on what was answered before."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.batches import pieces, plan_batches, rows_at_once
from opencompass_ops.contract import variables

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


@given(items=st.lists(st.integers()), size=st.integers(1, 9))
def test_pieces_are_the_items_in_order(items, size):
    found = pieces(items, size)
    assert [item for piece in found for item in piece] == items
    assert all(0 < len(piece) <= size for piece in found)


@pytest.mark.parametrize(("scale", "rows"), [(None, 8), ("", 8), ("0.5", 4), ("0.125", 1), ("0.01", 1)])
def test_fewer_rows_are_computed_at_once_after_the_device_ran_out_of_memory(monkeypatch, scale, rows):
    monkeypatch.delenv(variables.BATCH_SCALE, raising=False)
    if scale is not None:
        monkeypatch.setenv(variables.BATCH_SCALE, scale)
    assert rows_at_once(8) == rows
