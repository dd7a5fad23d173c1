"""Rows hold every wanted token once, whatever is shared; a beginning is the one that saves most."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference.alternatives import Alternatives, rows_of, tokens_of
from inference.batches import plan_by_tokens
from inference.options import RULES, option_of, parting, read_rule
from inference.prefixes import best_prefix

TEXT = st.lists(st.integers(0, 2), min_size=1, max_size=8).map(tuple)
TEXTS = st.lists(TEXT, min_size=1, max_size=5)


def seen(row, place):
    """The tokens that a place of a row sees: the trunk, and its own branch up to itself."""
    if place < row.trunk:
        return row.ids[: place + 1]
    begin = row.trunk
    for length in row.branches:
        if place < begin + length:
            return row.ids[: row.trunk] + row.ids[begin : place + 1]
        begin += length
    raise AssertionError("beyond the row")


@given(texts=TEXTS, start=st.integers(1, 6), as_tree=st.booleans(), data=st.data())
def test_each_scored_token_is_wanted_where_all_before_it_was_read(texts, start, as_tree, data):
    texts = tuple(dict.fromkeys(texts))
    shortest = min(map(len, texts))
    alike = next((n for n in range(shortest) if len({text[n] for text in texts}) > 1), shortest)
    cached = data.draw(st.integers(0, max(0, min(alike - 1, shortest - 2))))
    item = Alternatives(texts, start)
    scored = {}
    for row, numbers in rows_of(item, cached, as_tree=as_tree):
        assert row.trunk + sum(row.branches) == len(row) > 0
        for number, reading in zip(numbers, row.readings, strict=True):
            text = texts[number]
            places, targets = row.places[reading], row.targets[reading]
            first = max(start, cached + 1)
            assert targets.tolist() == list(text[first:])
            for step, place in enumerate(places):
                assert text[:cached] + seen(row, int(place)) == text[: first + step]
            scored[number] = len(targets)
    assert set(scored) == {number for number, text in enumerate(texts) if len(text) > start}


@given(texts=TEXTS, start=st.integers(1, 4), as_tree=st.booleans())
def test_tokens_are_told_without_making_rows(texts, start, as_tree):
    item = Alternatives(tuple(dict.fromkeys(texts)), start)
    assert tokens_of(item, as_tree=as_tree) == sum(len(row) for row, _ in rows_of(item, 0, as_tree=as_tree))


def test_options_of_one_token_are_one_row_without_branches():
    item = Alternatives(((1, 2, 3), (1, 2, 4), (1, 2, 5)), 2)
    ((row, numbers),) = rows_of(item, 0, as_tree=False)
    assert (row.ids, row.branches, numbers) == ((1, 2), (), [0, 1, 2])
    assert np.unique(row.places).tolist() == [1]


@given(texts=st.lists(TEXT, max_size=7))
def test_the_beginning_saves_as_much_as_any(texts):
    def saved(prefix):
        return len(prefix) * (sum(text[: len(prefix)] == prefix for text in texts) - 1)

    found = best_prefix(texts)
    every = [text[:length] for text in texts for length in range(1, len(text) + 1)]
    assert saved(found) == max(map(saved, every), default=0) if found else all(saved(one) <= 0 for one in every)


@given(items=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 5)), max_size=30), budget=st.integers(1, 300))
def test_batches_hold_every_item_once_within_the_budget_of_tokens(items, budget):
    lengths, rows = [length for length, _ in items], [count for _, count in items]
    batches = plan_by_tokens(lengths, rows, budget)
    assert sorted(item for batch in batches for item in batch) == list(range(len(items)))
    for batch in batches:
        assert sum(rows[item] for item in batch) * max(lengths[item] for item in batch) <= budget or len(batch) == 1


@given(texts=st.lists(st.text("ab C猫é", min_size=1, max_size=9), min_size=1, max_size=4))
def test_options_part_where_all_prompts_are_alike_and_each_has_something_left(texts):
    place = parting(texts)
    assert len({text[:place] for text in texts}) == 1
    assert all(text[place:] for text in texts)


def test_options_part_before_the_word_that_differs():
    assert parting(["The sky is Paris", "The sky is Parma"]) == len("The sky is")
    assert parting(["Answer: A", "Answer: B"]) == len("Answer:")
    assert parting(["Answer:A", "Answer:B"]) == len("Answer:")
    assert parting(["the cat", "the cat food"]) == len("the")
    assert parting(["答案是甲", "答案是乙"]) == 3


def test_every_rule_is_known_and_more_is_better():
    option = option_of("The sky is café", len("The sky is"), -6.0, 2, greedy=False)
    assert (option.characters, option.bytes) == (5, 6)
    assert [option.score(rule) for rule in RULES[1:]] == [-6.0, -3.0, -1.2, -1.0]
    assert read_rule({}) == "mean_all"
