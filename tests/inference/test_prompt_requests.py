"""Requests: which rows, which examples, and what is refused before anything runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.build import build_requests, inference_mode, model_family
from inference.datasets import Rows
from inference.meta_template import to_messages
from inference.problems import InputProblem, NotNative
from inference.prompt_template import PromptTemplate, substitute

BASE = {"type": "HuggingFaceBaseModel"}
CHAT = {"type": "HuggingFacewithChatTemplate"}
TRAIN = [{"q": f"t{n}", "a": str(n)} for n in range(5)]
TEST = [{"q": f"q{n}", "a": str(n)} for n in range(8)]
ROWS = Rows(train=TRAIN, test=TEST, selected=[7, 3, 1, 0])


def string(text, ice_token=None):
    return {"type": "PromptTemplate", "template": text, **({"ice_token": ice_token} if ice_token else {})}


def dataset(inferencer="GenInferencer", retriever=None, labels=None, **templates):
    return {
        "abbr": "sums",
        "reader_cfg": {"input_columns": ["q"], "output_column": "a"},
        "infer_cfg": {
            **(templates or {"prompt_template": string("{q}={a}")}),
            "retriever": retriever or {"type": "ZeroRetriever"},
            "inferencer": {"type": inferencer, **({"labels": labels} if labels else {})},
        },
    }


FEW = dataset(
    retriever={"type": "FixKRetriever", "fix_id_list": [0, 1, 2]},
    ice_template=string("{q}={a}"),
    prompt_template=string("</E>{q}={a}", "</E>"),
)
RANK = dataset("PPLInferencer", prompt_template=string({"yes": "{q} yes", "no": "{q} no"}))


def prompts(model=BASE, config=None, rows=ROWS, **options):
    return [request.prompt for request in build_requests(model, config or dataset(), rows, **options)]


def refusal(model, config, **options):
    with pytest.raises(InputProblem) as caught:
        build_requests(model, config, ROWS, **options)
    return str(caught.value)


def test_one_request_per_selected_row_with_the_answer_masked():
    requests = build_requests(BASE, dataset(), ROWS)
    assert [(r.index, r.prompt, r.gold) for r in requests] == [
        (0, "q7=", "7"), (1, "q3=", "3"), (2, "q1=", "1"), (3, "q0=", "0")
    ]  # fmt: skip


@given(st.integers(0, 6), st.integers(0, 4), st.integers(0, 4))
def test_parts_tile_the_limited_rows(limit, first, second):
    whole = build_requests(BASE, dataset(), ROWS, limit=limit)
    start, stop = sorted((min(first, limit), min(second, limit)))
    assert build_requests(BASE, dataset(), ROWS, limit=limit, start=start, stop=stop) == whole[start:stop]
    assert len(whole) == min(limit, 4)


def test_a_part_beyond_the_rows_says_that_the_data_changed():
    assert "rows 2..6 are wanted, but there are 4; the data changed" in refusal(BASE, dataset(), start=2, stop=6)


def test_trailing_examples_are_dropped_until_the_prompt_fits():
    def count(text):
        return len(text.split())

    assert prompts(config=FEW)[0] == "t0=0\nt1=1\nt2=2\nq7="
    assert prompts(config=FEW, count_tokens=count, max_seq_len=3)[0] == "t0=0\nt1=1\nq7="
    assert prompts(config=FEW, count_tokens=count, max_seq_len=None)[0] == "t0=0\nt1=1\nt2=2\nq7="
    assert prompts(config=FEW, count_tokens=count, max_seq_len=0)[0] == "\nq7="  # the ending stays, as upstream


def test_random_examples_of_a_row_do_not_depend_on_the_part():
    config = dataset(
        retriever={"type": "RandomRetriever", "ice_num": 2},
        ice_template=string("{q}={a}"),
        prompt_template=string("</E>{q}={a}", "</E>"),
    )
    whole = build_requests(BASE, config, ROWS)
    assert build_requests(BASE, config, ROWS, start=2, stop=4) == whole[2:]
    assert len({request.prompt.split("q")[0] for request in whole}) > 1


def test_ranking_asks_every_label_and_keeps_the_answer_column():
    (request, *_) = build_requests(BASE, RANK, ROWS)
    assert (request.labels, request.prompts, request.gold) == (("yes", "no"), ("q7 yes", "q7 no"), "7")
    assert (request.bare_prompts, request.ice) == (request.prompts, "")


def test_all_labels_keep_the_same_examples_when_one_does_not_fit():
    labels = {"short": "</E>{q}", "long": "</E>{q} and some more words"}
    config = dataset(
        "PPLInferencer",
        {"type": "FixKRetriever", "fix_id_list": [0, 1, 2]},
        ice_template=string("{q}={a}"),
        prompt_template=string(labels, "</E>"),
    )
    (request, *_) = build_requests(BASE, config, ROWS, count_tokens=lambda text: len(text.split()), max_seq_len=6)
    assert request.ice == "t0=0\n"
    assert request.prompts == ("t0=0\nq7", "t0=0\nq7 and some more words")
    assert request.bare_prompts == ("q7", "q7 and some more words")


def test_labels_that_were_numbers_before_the_plan_was_json_are_found():
    config = dataset(
        "PPLInferencer",
        {"type": "FixKRetriever", "fix_id_list": [0]},
        ice_template=string({"0": "{q} zero", "1": "{q} one"}),
        prompt_template=string({"0": "</E>{q} zero", "1": "</E>{q} one"}, "</E>"),
    )
    rows = Rows(train=[{"q": "t", "a": 1}], test=[{"q": "q", "a": 0}], selected=[0])
    (request,) = build_requests(BASE, config, rows)
    assert request.prompts == ("t one\nq zero", "t one\nq one")


def test_families_follow_the_last_component_of_the_type():
    assert model_family({"type": "opencompass.models.HuggingFaceBaseModel"}) == "base"
    assert model_family({"type": "HuggingFaceCausalLM"}) == "lm"
    assert model_family(CHAT) == "chat"


def test_an_unknown_model_type_names_the_near_one():
    with pytest.raises(InputProblem, match="did you mean HuggingFaceBaseModel"):
        model_family({"type": "opencompass.models.HuggingfaceBaseModle"})


def test_an_unknown_inferencer_is_left_to_the_bridge():
    with pytest.raises(NotNative, match="unknown inferencer type 'ChatInferencer'"):
        inference_mode(dataset("ChatInferencer"))


@pytest.mark.parametrize(
    ("model", "config", "message"),
    [
        (CHAT, RANK, "cannot rank"),
        (BASE, dataset("PPLInferencer"), "one template per label"),
        (BASE, dataset(ice_template=string("{q}={a}")), "ice_token"),
        (BASE, dataset(ice_template=string("{q}"), prompt_template=string("{q}")), "ice_token"),
        (BASE, dataset(prompt_template=string("{q}", "</E>")), "not in the template"),
        (BASE, dataset(prompt_template={"type": "PromptTemplate", "template": {"begin": "x"}}), "'round'"),
        (BASE, dataset(prompt_template={"type": "PromptTemplate", "text": "x"}), "options"),
        (BASE, dataset(retriever={"type": "FixKRetriever", "fix_id_list": [0]}), "no ice_template"),
        (BASE, dataset("PPLInferencer", labels=["maybe"], prompt_template=string({"yes": "y"})), "no label 'maybe'"),
        (BASE, {"abbr": "sums"}, "no infer_cfg"),
        ({**CHAT, "meta_template": {"begin": "x"}}, dataset(prompt_template=string({"round": []})), "meta_template"),
        ({**CHAT, "meta_template": {"round": [{"role": "A"}, {"role": "A"}]}}, dataset(), "once"),
    ],
)
def test_what_makes_no_prompt_is_refused_with_the_dataset_named(model, config, message):
    text = refusal(model, config)
    assert text.startswith("dataset sums: ")
    assert message in text


def test_a_role_nobody_knows_is_refused():
    config = dataset(prompt_template=string({"round": [{"role": "CRITIC", "prompt": "{q}"}]}))
    assert "'CRITIC'" in refusal(CHAT, config)


RAW = {
    "type": "opencompass.openicl.RawPromptTemplate",
    "messages": [
        {"role": "system", "content": "Sum."},
        "</E>",
        {"expand_column": "history"},
        {"role": "user", "content": "{q}={a}"},
        {"role": "assistant", "content": ""},
    ],
}
RAW_ROWS = Rows(
    train=TRAIN,
    test=[
        {"q": "1+1", "a": "2", "history": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yo"}]}
    ],
    selected=[0],
)


def test_raw_messages_reach_chat_models_untouched():
    (prompt,) = prompts(CHAT, dataset(prompt_template=RAW), RAW_ROWS)
    assert prompt == [
        {"role": "system", "content": "Sum."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Yo"},
        {"role": "user", "content": "1+1=2"},  # nothing is masked, as upstream
        {"role": "assistant", "content": ""},
    ]
    assert to_messages(prompt) == prompt[:-1]


def test_raw_messages_become_lines_for_language_models():
    assert prompts(BASE, dataset(prompt_template=RAW), RAW_ROWS) == ["Sum.\nHi\nYo\n1+1=2"]


def test_raw_messages_speak_with_the_roles_of_a_meta_template():
    meta = {
        "begin": "<s>",
        "round": [
            {"role": "HUMAN", "begin": "[U]", "end": "|"},
            {"role": "BOT", "begin": "[A]", "end": "|", "generate": True},
        ],
        "reserved_roles": [{"role": "SYSTEM", "begin": "[S]", "end": "|"}],
    }
    asked = {**RAW, "messages": RAW["messages"][:-1]}
    model = {"type": "HuggingFaceCausalLM", "meta_template": meta}
    assert prompts(model, dataset(prompt_template=asked), RAW_ROWS) == ["<s>[S]Sum.|[U]Hi|[A]Yo|[U]1+1=2|[A]"]
    silent = {**model, "meta_template": {**meta, "reserved_roles": []}}
    assert prompts(silent, dataset(prompt_template=asked), RAW_ROWS) == ["<s>[U]Sum.|[U]Hi|[A]Yo|[U]1+1=2|[A]"]


def test_raw_examples_stand_at_the_token():
    shots = {
        "type": "RawPromptTemplate",
        "messages": [{"role": "user", "content": "{q}"}, {"role": "assistant", "content": "{a}"}],
    }
    config = dataset(retriever={"type": "FixKRetriever", "fix_id_list": [4]}, ice_template=shots, prompt_template=RAW)
    (prompt,) = prompts(CHAT, config, RAW_ROWS)
    assert prompt[1:3] == [{"role": "user", "content": "t4"}, {"role": "assistant", "content": "4"}]


def test_raw_messages_of_another_shape_are_refused():
    assert "messages[0]" in refusal(
        CHAT, dataset(prompt_template={**RAW, "messages": [{"role": "human", "content": ""}]})
    )


def test_messages_merge_neighbours_and_drop_what_is_empty():
    turns = [
        {"role": "SYSTEM", "prompt": "s"},
        {"role": "HUMAN", "prompt": "a"},
        {"role": "BOT", "prompt": ""},
        {"role": "HUMAN", "prompt": "b"},
    ]
    assert to_messages(turns) == [{"role": "system", "content": "s"}, {"role": "user", "content": "a\nb"}]
    assert to_messages("plain") == [{"role": "user", "content": "plain"}]
    with pytest.raises(InputProblem, match="HUMAN, BOT, SYSTEM"):
        to_messages([{"role": "NARRATOR", "prompt": "x"}])


def test_values_are_substituted_column_by_column():
    assert substitute("{b} {a} {none}", {"a": "{b}", "b": 1}) == "1 1 {none}"
    assert substitute("{a}", {"a": "{b}", "b": 1}) == "1"
    assert substitute("{b}", {"a": 1, "b": "{a}"}) == "{a}"


def test_a_dialogue_cannot_be_put_into_a_string():
    template = PromptTemplate("</E>{q}", ice_token="</E>")
    with pytest.raises(InputProblem, match="write both as strings"):
        template.generation({"q": 1}, [{"role": "HUMAN", "prompt": "x"}], None)


def test_an_example_place_inside_a_turn_is_refused():
    template = PromptTemplate({"round": [{"role": "HUMAN", "prompt": "</E>{q}"}]}, ice_token="</E>")
    with pytest.raises(InputProblem, match="beside the turns"):
        template.generation({"q": 1}, [{"role": "HUMAN", "prompt": "x"}], None)
