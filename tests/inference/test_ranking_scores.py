"""Scores of labels: ties, padding, one token, overflow, the file's entry."""

from __future__ import annotations

import types

import pytest

from inference.problems import InputProblem
from inference.requests import RankingRequest

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def loaded(tiny_model):
    from inference.model import load_model, place
    from inference.tokens import load_tokens

    cfg = {"abbr": "tiny", "type": "HuggingFaceBaseModel", "path": str(tiny_model)}
    return load_model(cfg, place(1)), load_tokens(cfg)


def rank(loaded, *prompts, **fields):
    from inference.ranking import Ranking

    labels = tuple("ABCD"[: len(prompts)])
    request = RankingRequest(5, labels, prompts, fields.pop("bare_prompts", prompts), **fields)
    return Ranking(*loaded, [request], budget=2).answer([0])[0]


def test_equal_labels_choose_the_first(loaded):
    # With two rows a batch, the third label would be scored at another width than the first.
    entry = rank(loaded, "red dog", "blue blue blue blue blue", "red dog")
    assert entry["prediction"] == "A"
    assert entry["label: A"]["PPL"] == entry["label: C"]["PPL"]


def test_equal_labels_are_equal_on_every_row(loaded):
    entry = rank(loaded, "red dog", "red dog", "red dog")
    assert entry["label: A"]["PPL"] == entry["label: B"]["PPL"]


def test_a_longer_neighbour_changes_no_score(loaded):
    from inference.ranking import score

    short, long = (0, 40, 41, 42), tuple(range(60, 120))
    alone, mate = score(loaded[0], [short])[0], score(loaded[0], [short, long])[0]
    assert mate == pytest.approx(alone, abs=1e-4)


def test_one_token_has_nothing_to_be_surprised_by(loaded):
    from inference.ranking import score

    assert str(score(loaded[0], [(5,)])[0]) == "0.0"


def test_the_entry_is_opencompass_s(loaded):
    entry = rank(loaded, "ice red dog", "ice red cat", bare_prompts=("red dog", "red cat"), ice="ice ", gold="")
    assert list(entry) == ["in-context examples", "origin_prompt", "label: A", "label: B", "prediction", "gold"]
    assert list(entry["label: A"]) == ["testing input", "prompt", "PPL", "BPB"]
    assert (entry["in-context examples"], entry["origin_prompt"]) == ("ice ", "red dog")
    assert (entry["label: B"]["testing input"], entry["label: B"]["prompt"]) == ("red cat", "ice red cat")
    tokens = loaded[1].count("ice red dog")
    assert entry["label: A"]["BPB"] == pytest.approx(entry["label: A"]["PPL"] * tokens / len("red dog"))


def test_a_score_that_is_no_number_is_refused(loaded):
    import torch

    _, tokens = loaded

    class Overflowing:
        device = "cpu"

        def __call__(self, input_ids, use_cache):
            return types.SimpleNamespace(logits=torch.full((*input_ids.shape, 320), float("nan")))

    with pytest.raises(InputProblem, match=r"row 5.*bfloat16"):
        rank((Overflowing(), tokens), "red dog", "red cat")
