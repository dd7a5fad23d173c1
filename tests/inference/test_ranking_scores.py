"""Scores of labels: ties, padding, one token, overflow, the file's entry."""

from __future__ import annotations

import re

import pytest

from inference.requests import RankingRequest

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def loaded(tiny_model):
    from inference.model import load_model, place
    from inference.tokens import load_tokens

    cfg = {"abbr": "tiny", "type": "HuggingFaceBaseModel", "path": str(tiny_model)}
    return load_model(cfg, place(1)), load_tokens(cfg)


def rank(loaded, *prompts, **fields):
    from inference.forms import Perplexities
    from inference.ranking import Ranking

    labels = tuple("ABCD"[: len(prompts)])
    request = RankingRequest(5, labels, prompts, fields.pop("bare_prompts", prompts), **fields)
    return Ranking(*loaded, Perplexities(), [request], budget=16).answer([0])[0]


def test_equal_labels_choose_the_first(loaded):
    # With two rows a batch, the third label would be scored at another width than the first.
    entry = rank(loaded, "red dog", "blue blue blue blue blue", "red dog")
    assert entry["prediction"] == "A"
    assert entry["label: A"]["PPL"] == entry["label: C"]["PPL"]


def test_equal_labels_are_equal_on_every_row(loaded):
    entry = rank(loaded, "red dog", "red dog", "red dog")
    assert entry["label: A"]["PPL"] == entry["label: B"]["PPL"]


def test_one_token_has_nothing_to_be_surprised_by(loaded):
    model, tokens = loaded
    ids = tokens.tokenizer.bos_token
    tokens = type(tokens)(without_bos(tokens.tokenizer), tokens.family, None)
    entry = rank((model, tokens), ids)
    assert str(entry["label: A"]["PPL"]) == "0.0"


def without_bos(tokenizer):
    import copy

    from tokenizers import processors

    changed = copy.deepcopy(tokenizer)
    changed.backend_tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return changed


def test_the_entry_is_opencompass_s(loaded):
    entry = rank(loaded, "ice red dog", "ice red cat", bare_prompts=("red dog", "red cat"), ice="ice ", gold="")
    assert list(entry) == ["in-context examples", "origin_prompt", "label: A", "label: B", "prediction", "gold"]
    assert list(entry["label: A"]) == ["testing input", "prompt", "PPL", "BPB", "option"]
    assert (entry["in-context examples"], entry["origin_prompt"]) == ("ice ", "red dog")
    assert (entry["label: B"]["testing input"], entry["label: B"]["prompt"]) == ("red cat", "ice red cat")
    tokens = loaded[1].count("ice red dog")
    assert entry["label: A"]["BPB"] == pytest.approx(entry["label: A"]["PPL"] * tokens / len("red dog"))


def test_the_option_says_what_every_normalisation_needs(loaded):
    entry = rank(loaded, "red dog", "red slow cat")
    options = [entry[f"label: {label}"]["option"] for label in "AB"]
    assert [(option["characters"], option["bytes"]) for option in options] == [(4, 4), (9, 9)]
    assert all(option["sum"] < 0 and option["tokens"] >= 1 for option in options)


def test_only_the_item_whose_score_is_no_number_fails(loaded, monkeypatch):
    from inference import forward
    from inference.forms import Perplexities
    from inference.ranking import Ranking

    bad = loaded[1].tokenizer("red stone")["input_ids"][-1]
    measured = forward._log_probs

    def overflowing(logits, back, targets):
        found, greedy = measured(logits, back, targets)
        found[(targets == bad).numpy()] = float("nan")
        return found, greedy

    monkeypatch.setattr(forward, "_log_probs", overflowing)
    texts = [("red dog", "red cat"), ("red stone", "red cat"), ("blue dog", "blue cat")]
    requests = [RankingRequest(number, ("A", "B"), pair, pair) for number, pair in enumerate(texts)]
    first, second, third = Ranking(*loaded, Perplexities(), requests, budget=1000).answer([0, 1, 2])
    assert {first["prediction"], third["prediction"]} <= {"A", "B"}
    assert re.match(r"row 1: the PPL of a label is \[nan, .*bfloat16", second.reason)
