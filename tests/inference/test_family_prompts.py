"""For configs of OpenCompass's library, models are asked exactly what OpenCompass's inferencers ask them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from family_data import lay_down
from inference.build import build_requests
from inference.datasets import load_rows
from inference.problems import InputProblem
from inference.requests import RankingRequest
from opencompass_ops.configs.load import load
from prompt_kinds import KINDS, datasets_of, digest

pytestmark = pytest.mark.process

GOLDEN = Path(__file__).parents[1] / "golden/families/prompts.jsonl"
MODELS = {
    "base": {"type": "HuggingFaceBaseModel"},
    "lm": {"type": "HuggingFaceCausalLM", "meta_template": KINDS["lm"]},
    "chat": {"type": "HuggingFacewithChatTemplate"},
    "api": {"type": "HuggingFacewithChatTemplate", "meta_template": KINDS["api"]},
}


@pytest.fixture(scope="module")
def recorded() -> list[dict[str, Any]]:
    return [json.loads(line) for line in GOLDEN.read_text().splitlines()]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("families")
    lay_down(folder)
    return folder


@pytest.fixture(scope="module")
def configs(recorded, opencompass_wheel, data_dir) -> dict[str, list[dict[str, Any]]]:
    library = opencompass_wheel / "opencompass/configs/datasets"
    names = list(dict.fromkeys(each["config"] for each in recorded))
    loaded = load([library / name for name in names])
    assert [config.error for config in loaded if config.error] == []
    return {name: datasets_of(config.values) for name, config in zip(names, loaded, strict=True)}


def ours(dataset: dict[str, Any], kind: str, data_dir: Path) -> list[Any]:
    requests = build_requests(MODELS[kind], dataset, load_rows(dataset, str(data_dir)))
    if not isinstance(requests[0], RankingRequest):
        return [request.prompt for request in requests]
    return [request.prompts[number] for number in range(len(requests[0].labels)) for request in requests]


def test_every_prompt_is_the_one_that_opencompass_renders(recorded, configs, data_dir):
    different = {}
    for each in recorded:
        dataset = configs[each["config"]][each["number"]]
        dataset = {"abbr": "x", **dataset}
        for kind, wanted in each["prompts"].items():
            try:
                found = digest(ours(dataset, kind, data_dir))
            except InputProblem as problem:
                found = str(problem)
            if found != wanted:
                different[f"{each['config']} {each['number']} {kind}"] = f"{dataset['type']} {found}"
    assert different == {}


def test_the_record_has_all_kinds_of_templates_and_models(recorded, configs):
    assert len({each["config"] for each in recorded}) >= 60
    assert Counter(kind for each in recorded for kind in each["prompts"]).keys() == set(KINDS)
    kinds = {template_kind(configs[each["config"]][each["number"]]["infer_cfg"]) for each in recorded}
    assert kinds >= {"string", "dialogue", "labelled strings", "labelled dialogues", "messages", "examples"}


def template_kind(infer: dict[str, Any]) -> str:
    if "fix_id_list" in infer["retriever"]:
        return "examples"
    shown = infer.get("prompt_template") or infer["ice_template"]
    if "messages" in shown:
        return "messages"
    template = shown["template"]
    if isinstance(template, str):
        return "string"
    if set(template) <= {"begin", "round", "end"}:
        return "dialogue"
    return f"labelled {'strings' if isinstance(next(iter(template.values())), str) else 'dialogues'}"
