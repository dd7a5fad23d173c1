"""What is shared changes no score: nine families of models against single rows, and what else must not matter."""

from __future__ import annotations

import random

import pytest

from inference.alternatives import Alternatives
from model_families import FAMILIES, VOCABULARY, WINDOW, make_family

pytestmark = pytest.mark.model

SHARED = {"GPT-NeoX", "Llama", "Qwen3", "GPT-2", "OPT", "Cohere"}
"""Families that share beginnings and alternatives; Bloom's positions allow beginnings alone."""


def items(count=10):
    """Some with a beginning that many have, options of one token and of several, scored whole or from the option on."""
    rng = random.Random(3)
    tokens = lambda many: tuple(rng.randrange(2, VOCABULARY) for _ in range(many))  # noqa: E731
    beginning = tokens(2 * WINDOW)
    made = []
    for number in range(count):
        context = (beginning if number % 4 else ()) + tokens(3 + 5 * number % 17)
        ends = [tokens(1) for _ in range(4)] if number % 3 == 0 else [tokens(1 + 2 * end) for end in range(4)]
        made.append(Alternatives(tuple(context + end for end in ends), 1 if number % 2 else len(context)))
    return made


def naive(model, text, start):
    """The log-probabilities of a text's tokens from ``start`` on, and whether each is the most probable."""
    import torch

    with torch.no_grad():
        logits = model(input_ids=torch.tensor([text[:-1]]), use_cache=False).logits[0].double().log_softmax(-1)
    places = range(start, len(text))
    return [float(logits[p - 1, text[p]]) for p in places], [int(logits[p - 1].argmax()) == text[p] for p in places]


def score(model, asked, budget=400, at_once=None):
    from inference.pressure import Pressure
    from inference.scorer import Scorer

    scorer = Scorer(model, asked, budget, Pressure(at_once or budget))
    found = {}
    for batch in scorer.batches:
        found |= zip(batch, scorer.score(batch), strict=True)
    return scorer, [found[number] for number in range(len(asked))]


def sums(found):
    return [surprises.total() for item in found for surprises in item]


@pytest.fixture(scope="module")
def llama():
    return make_family("Llama")


@pytest.mark.parametrize("name", FAMILIES)
def test_scores_are_those_of_a_loop_over_single_rows(name):
    model, asked = make_family(name), items()
    scorer, found = score(model, asked)
    for item, of_item in zip(asked, found, strict=True):
        for text, surprises in zip(item.texts, of_item, strict=True):
            log_probs, greedy = naive(model, text, item.start)
            assert surprises.log_probs.tolist() == pytest.approx(log_probs, abs=1e-4)
            assert surprises.total() == pytest.approx(sum(log_probs), abs=1e-4)
            assert surprises.greedy.tolist() == greedy
    assert scorer.sharing.as_tree == (name in SHARED)
    assert (scorer.sharing.prefix is not None) == (name in SHARED | {"Bloom"})


def test_a_beginning_that_most_items_have_is_read_once(llama):
    asked = items()
    scorer, _ = score(llama, asked)
    naively = sum(len(text) - 1 for item in asked for text in item.texts)
    assert scorer.token_count < naively / 2


@pytest.mark.parametrize("budget", [1, 60, 5000])
def test_the_budget_changes_no_score(llama, budget):
    assert sums(score(llama, items(), budget)[1]) == pytest.approx(sums(score(llama, items())[1]), abs=1e-5)


def test_the_order_changes_no_score(llama):
    asked = items()
    backwards = sums(score(llama, asked[::-1])[1][::-1])
    assert backwards == pytest.approx(sums(score(llama, asked)[1]), abs=1e-5)


def test_mates_change_no_score(llama):
    asked = items()
    alone = [total for item in asked for total in sums(score(llama, [item])[1])]
    assert alone == pytest.approx(sums(score(llama, asked)[1]), abs=1e-5)


def test_less_memory_halves_what_is_computed_at_once_and_is_remembered(llama, monkeypatch, tmp_path):
    import torch

    from inference import scorer
    from inference.pressure import Pressure

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wanted = sums(score(llama, items(), 4000)[1])
    read = scorer.read

    def small(model, rows, width, prefix):
        if len(rows) * width > 100:
            raise torch.OutOfMemoryError("too much")
        return read(model, rows, width, prefix)

    monkeypatch.setattr(scorer, "read", small)
    assert sums(score(llama, items(), 4000)[1]) == pytest.approx(wanted, abs=1e-5)
    assert Pressure(4000).tokens < 4000
    assert Pressure(4000, "another model").tokens == 4000


def test_too_little_memory_for_one_row_is_told(llama, monkeypatch, tmp_path):
    import torch

    from inference import scorer

    def never(*_):
        raise torch.OutOfMemoryError("too much")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(scorer, "read", never)
    with pytest.raises(torch.OutOfMemoryError):
        score(llama, items(2))


def test_a_model_that_goes_around_its_head_is_refused(llama, monkeypatch):
    import torch

    other = torch.nn.Linear(48, VOCABULARY)
    monkeypatch.setattr(llama, "get_output_embeddings", lambda: other)
    with pytest.raises(RuntimeError, match="does not use its output embeddings"):
        score(llama, items(2))
