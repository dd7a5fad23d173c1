"""Stops, ends, truncation and sampling of the generating half."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.problems import InputProblem
from inference.requests import GenerationRequest

pytestmark = pytest.mark.model


@pytest.fixture(scope="module")
def loaded(tiny_model):
    from inference.model import load_model, place
    from inference.tokens import load_tokens

    cfg = {"abbr": "tiny", "type": "HuggingFaceBaseModel", "path": str(tiny_model)}
    return load_model(cfg, place(1)), load_tokens(cfg)


def generate(loaded, prompts, inferencer=None, **model):
    from inference.generation import Generation, read_decoding

    decoding = read_decoding({"abbr": "tiny", "max_out_len": 8, **model}, inferencer or {}, "seed")
    requests = [GenerationRequest(number, prompt) for number, prompt in enumerate(prompts)]
    generation = Generation(*loaded, requests, decoding, len(prompts))
    return [entry["prediction"] for entry in generation.answer(range(len(prompts)))]


@settings(deadline=None)  # The first example imports torch.
@given(text=st.text("abc", max_size=12), stops=st.lists(st.text("abc", min_size=1, max_size=3), max_size=3))
def test_a_text_is_cut_at_the_earliest_stop(text, stops):
    from inference.generation import cut

    kept = cut(text, stops)
    assert text.startswith(kept)
    assert not any(stop in kept for stop in stops)
    if kept != text:
        assert any(text[len(kept) :].startswith(stop) for stop in stops)


def test_a_stop_string_of_one_row_does_not_end_the_others(loaded):
    free = generate(loaded, ["red dog", "blue house stone stone"])
    stop = free[0][1:3]
    assert stop not in free[1], "the fixture no longer shows what this test is about"
    assert generate(loaded, ["red dog", "blue house stone stone"], stop_words=[stop]) == [free[0][:1], free[1]]


def test_a_stop_string_in_the_prompt_ends_nothing(loaded):
    free = generate(loaded, ["red dog"])
    assert generate(loaded, ["red dog"], stop_words=["dog"]) == [free[0].split("dog")[0]]
    assert free[0].split("dog")[0] != ""


def test_an_end_token_of_the_config_ends_the_answer(loaded):
    model, tokens = loaded
    prompt = tokens.tokenizer("red dog", return_tensors="pt")
    added = model.generate(**prompt, max_new_tokens=8, do_sample=False)[0, prompt["input_ids"].shape[1] :].tolist()
    end = next(token for token in reversed(added[1:]) if token != added[0])
    wanted = tokens.decode(added[: added.index(end)])
    assert generate(loaded, ["red dog"], generation_kwargs={"eos_token_id": end}) == [wanted]
    assert wanted != generate(loaded, ["red dog"])[0]


def test_the_inferencer_wins_over_the_model(loaded):
    assert generate(loaded, ["red"], {"max_out_len": 3})[0] == generate(loaded, ["red"], max_out_len=3)[0]
    assert generate(loaded, ["red"], {"max_out_len": 3}) != generate(loaded, ["red"])


@pytest.mark.parametrize("max_out_len", [None, 0, -1, "12"])
def test_a_missing_length_is_refused(loaded, max_out_len):
    with pytest.raises(InputProblem, match="max_out_len"):
        generate(loaded, ["red"], max_out_len=max_out_len)


def test_sampling_repeats_itself_and_is_no_greedy_choice(loaded):
    kwargs = {"do_sample": True, "temperature": 3.0}
    first = generate(loaded, ["red", "blue"], generation_kwargs=kwargs)
    assert first == generate(loaded, ["red", "blue"], generation_kwargs=kwargs)
    assert first != generate(loaded, ["red", "blue"])


def test_several_answers_per_prompt_are_a_list(loaded):
    kwargs = {"do_sample": True, "temperature": 3.0, "num_return_sequences": 3}
    answers = generate(loaded, ["red", "blue dog"], generation_kwargs=kwargs)
    assert [len(answer) for answer in answers] == [3, 3]


def test_lengths_are_counted_of_the_text_as_it_stands(loaded):
    from inference.generation import Generation, read_decoding

    turns = [{"role": "HUMAN", "prompt": "red dog"}, {"role": "BOT", "prompt": "blue"}]
    decoding = read_decoding({"abbr": "tiny", "max_out_len": 8, "generation_kwargs": {}}, {}, "seed")
    requests = [GenerationRequest(0, "red dog"), GenerationRequest(1, turns)]
    plain, told = (Generation(*loaded, requests, decoding, 2, with_lengths=with_) for with_ in (False, True))
    count = loaded[1].count
    assert "res_length" not in plain.answer([0])[0]
    one, two = told.answer([0, 1])
    assert (one["res_length"], one["all_input_length"]) == (count(one["prediction"]), count("red dog"))
    assert two["all_input_length"] == count("red dog") + count("blue")


def test_an_unknown_generation_setting_is_refused(loaded):
    with pytest.raises(InputProblem, match="generation_kwargs"):
        generate(loaded, ["red"], generation_kwargs={"temprature": 3.0})
