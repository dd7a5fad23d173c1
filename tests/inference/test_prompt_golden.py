"""Every golden prompt that OpenCompass rendered, from templates worked out from the prompts themselves."""

from __future__ import annotations

import json

import pytest

from inference.build import build_requests
from inference.datasets import Rows
from inference.meta_template import CHAT_META, GENERATE, RANK, MetaTemplate, to_text, to_turns
from inference.prompt_template import PromptTemplate

TRAIN = [{"q": "1+1=?", "a": "2"}, {"q": "2+2=?", "a": "4"}]
TEST = [{"q": "3+3=?", "a": "6"}]
ROWS = Rows(train=TRAIN, test=TEST, selected=[0])

HUMAN = {"role": "HUMAN", "prompt": "Q: {q}"}
BOT = {"role": "BOT", "prompt": "A: {a}"}
PAIR = [HUMAN, BOT]


def hint(text):
    return {"role": "SYSTEM", "fallback_role": "HUMAN", "prompt": text}


ZERO = {"type": "ZeroRetriever"}
TWO = {"type": "opencompass.openicl.icl_retriever.FixKRetriever", "fix_id_list": [0, 1]}


def template(body, ice_token=None):
    return {"type": "PromptTemplate", "template": body, **({"ice_token": ice_token} if ice_token else {})}


KINDS = {
    "zero_meta": {"prompt_template": template({"round": PAIR}), "retriever": ZERO},
    "zero_human_only": {
        "prompt_template": template({"round": [{"role": "HUMAN", "prompt": "Q: {q}\nA:"}]}),
        "retriever": ZERO,
    },
    "sys_begin": {"prompt_template": template({"begin": [hint("Solve.")], "round": PAIR}), "retriever": ZERO},
    "multi_round": {
        "prompt_template": template(
            {"round": [{"role": "HUMAN", "prompt": "Q: 0+0"}, {"role": "BOT", "prompt": "A: 0"}, *PAIR]}
        ),
        "retriever": ZERO,
    },
    "fewshot_meta": {
        "ice_template": template({"begin": "</E>", "round": PAIR}, "</E>"),
        "retriever": TWO,
    },
    "fewshot_hint": {
        "ice_template": template({"round": PAIR}),
        "prompt_template": template({"begin": [hint("Hint"), "</E>"], "round": PAIR}, "</E>"),
        "retriever": TWO,
    },
    "fewshot_str": {
        "ice_template": template("Q: {q}\nA: {a}"),
        "prompt_template": template("Do it.\n</E>Q: {q}\nA: {a} {missing}", "</E>"),
        "retriever": TWO,
    },
    "zero_str": {"prompt_template": template("Q: {q}\nA: {a}"), "retriever": ZERO},
}

SIMPLE = {
    "round": [
        {"role": "HUMAN", "begin": "<H>: ", "end": "<eoh>\n"},
        {"role": "BOT", "begin": "<B>: ", "end": "<eob>\n", "generate": True},
    ]
}
METAS = {
    "none": None,
    "simple": SIMPLE,
    "sys": {
        **SIMPLE,
        "begin": "META\n",
        "end": "END",
        "reserved_roles": [{"role": "SYSTEM", "begin": "<S>: ", "end": "<eos>\n"}],
    },
}
API_METAS = {
    "none": None,
    "oai": {
        "round": [{"role": "HUMAN", "api_role": "HUMAN"}, {"role": "BOT", "api_role": "BOT", "generate": True}],
        "reserved_roles": [{"role": "SYSTEM", "api_role": "SYSTEM"}],
    },
    "hfchat_default": CHAT_META,
}


@pytest.fixture(scope="module")
def golden(repo):
    return json.loads((repo / "tests/golden/prompts/opencompass_prompts.json").read_text())


def as_config(infer_cfg, inferencer="GenInferencer", **extra):
    return {
        "abbr": "sums",
        "type": "JsonlDataset",
        "reader_cfg": {"input_columns": ["q"], "output_column": "a"},
        "infer_cfg": {**infer_cfg, "inferencer": {"type": inferencer, **extra}},
    }


def dialogue(kind, mode):
    """The kind's template filled with the test row, before any meta template."""
    config = KINDS[kind]
    question = PromptTemplate(**without_type(config.get("prompt_template") or config["ice_template"]))
    ice = ""
    if config["retriever"] is TWO:
        shots = PromptTemplate(**without_type(config["ice_template"]))
        examples = [shots.example(row, row["a"]) for row in TRAIN]
        ice = "\n".join(examples) + "\n" if isinstance(examples[0], str) else [*examples[0], *examples[1], ""]
    return question.generation(TEST[0], ice, "a") if mode == GENERATE else question.labelled(TEST[0], ice, "6")


def without_type(config):
    return {key: value for key, value in config.items() if key != "type"}


def test_the_golden_file_holds_every_kind(golden):
    assert set(golden["prompts"]) == set(KINDS)
    assert sum(len(entries) for entries in golden["prompts"].values()) == 80


@pytest.mark.parametrize("kind", KINDS)
def test_a_filled_template_is_the_golden_prompt_list(golden, kind):
    assert dialogue(kind, GENERATE) == golden["prompts"][kind]["promptlist_gen"]


@pytest.mark.parametrize("mode", [GENERATE, RANK])
@pytest.mark.parametrize("meta", METAS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_language_model_gets_the_golden_text(golden, kind, meta, mode):
    parser = MetaTemplate(METAS[meta]) if METAS[meta] else None
    assert to_text(dialogue(kind, mode), parser, mode) == golden["prompts"][kind][f"LM/{meta}/{mode}"]


@pytest.mark.parametrize("meta", API_METAS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_chat_model_gets_the_golden_turns(golden, kind, meta):
    parser = MetaTemplate(API_METAS[meta]) if API_METAS[meta] else None
    assert to_turns(dialogue(kind, GENERATE), parser, GENERATE) == golden["prompts"][kind][f"API/{meta}/gen"]


@pytest.mark.parametrize("kind", KINDS)
def test_requests_carry_the_golden_prompts(golden, kind):
    models = {
        "LM/none/gen": {"type": "opencompass.models.HuggingFaceBaseModel", "meta_template": SIMPLE},
        "LM/simple/gen": {"type": "HuggingFaceCausalLM", "meta_template": SIMPLE},
        "LM/sys/gen": {"type": "HuggingFace", "meta_template": METAS["sys"]},
        "API/oai/gen": {"type": "HuggingFacewithChatTemplate", "meta_template": API_METAS["oai"]},
        "API/hfchat_default/gen": {"type": "HuggingFacewithChatTemplate"},
    }
    for name, model in models.items():
        (request,) = build_requests(model, as_config(KINDS[kind]), ROWS)
        assert request.prompt == golden["prompts"][kind][name]
        assert request.gold == "6"


def test_ranking_requests_carry_the_golden_label_prompts(golden):
    labels = {
        answer: {"round": [{"role": "HUMAN", "prompt": "{q}"}, {"role": "BOT", "prompt": word}]}
        for answer, word in ((0, "yes"), (1, "no"))
    }
    config = as_config({"prompt_template": template(labels), "retriever": ZERO}, "PPLInferencer")
    for name, meta in METAS.items():
        model = {"type": "HuggingFaceCausalLM", "meta_template": meta}
        (request,) = build_requests(model, config, ROWS)
        assert dict(zip(request.labels, request.prompts, strict=True)) == {
            label: prompts[name] for label, prompts in golden["ppl_labels"].items()
        }
        assert request.bare_prompts == request.prompts
