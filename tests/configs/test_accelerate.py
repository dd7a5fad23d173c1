"""Models of Hugging Face become what OpenCompass makes of them for vLLM and LMDeploy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.configs.accelerate import accelerated, accelerated_eval
from opencompass_ops.errors import ConfigError

GOLDEN = Path(__file__).parents[1] / "golden" / "configs" / "accelerated.json"
"""What ``change_accelerator`` of OpenCompass 0.5.4 gives; made by tests/golden/configs/record_accelerated.py."""

CASES: list[dict[str, Any]] = json.loads(GOLDEN.read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['accelerator']} {case['model']['abbr']}")
def test_a_model_becomes_what_opencompass_makes_of_it(case: dict[str, Any]):
    if case["error"]:
        with pytest.raises(ConfigError, match=f"model {case['model']['abbr']}: {case['accelerator']} needs its"):
            accelerated([case["model"]], case["accelerator"])
        return
    (model,), _ = accelerated([case["model"]], case["accelerator"])
    assert model == case["accelerated"]


def test_every_kind_of_model_is_among_the_recorded_ones():
    kinds = {(case["accelerator"], case["model"]["type"].rpartition(".")[2]) for case in CASES}
    base = ("HuggingFace", "HuggingFaceCausalLM", "HuggingFaceBaseModel", "HuggingFacewithChatTemplate")
    assert kinds == {(accelerator, kind) for accelerator in ("vllm", "lmdeploy") for kind in base}
    assert any(case["error"] for case in CASES)


def test_a_type_without_a_counterpart_stays_as_it_is_and_that_is_said():
    model = {"type": "opencompass.models.OpenAI", "abbr": "gpt", "path": "gpt-4"}
    assert accelerated([model], "vllm") == (
        [model],
        ["model gpt: OpenAI has no counterpart for vllm and runs as it is"],
    )


def test_a_base_model_that_vllm_would_sample_is_warned_of():
    model = {"type": "HuggingFaceBaseModel", "abbr": "m", "path": "p", "max_out_len": 8, "batch_size": 1}
    model["run_cfg"] = {"num_gpus": 1}
    _, (warning,) = accelerated([model], "vllm")
    assert "generation_kwargs=dict(temperature=0)" in warning
    assert accelerated([{**model, "generation_kwargs": {"temperature": 0}}], "vllm")[1] == []


def test_models_that_judge_or_are_compared_with_get_the_engine_too_and_the_rest_stays():
    model = {**CASES[0]["model"], "type": "opencompass.models.HuggingFacewithChatTemplate", "abbr": "judge-hf"}
    model |= {"run_cfg": {"num_gpus": 2}, "max_out_len": 8, "path": "p"}
    nameless = {key: value for key, value in model.items() if key != "abbr"}
    api = {"type": "opencompass.models.OpenAISDK", "abbr": "gpt"}
    section = {
        "partitioner": {"type": "SubjectiveNaivePartitioner", "judge_models": [model, api], "base_models": [nameless]},
        "runner": {"type": "LocalRunner"},
    }
    made, warnings = accelerated_eval(section, "vllm")
    judge, untouched = made["partitioner"]["judge_models"]
    assert (judge["type"].rpartition(".")[2], judge["abbr"]) == ("VLLMwithChatTemplate", "judge-vllm")
    assert untouched == api
    assert made["partitioner"]["base_models"][0]["type"] == judge["type"]
    assert made["runner"] == section["runner"]
    assert warnings == ["model gpt: OpenAISDK has no counterpart for vllm and runs as it is"]
    assert accelerated_eval(None, "vllm") == (None, [])
    assert accelerated_eval({"runner": {}}, "vllm") == ({"runner": {}}, [])
    with pytest.raises(ConfigError, match=r"eval.partitioner.judge_models is .* not a list of models"):
        accelerated_eval({"partitioner": {"judge_models": "gpt"}}, "vllm")
