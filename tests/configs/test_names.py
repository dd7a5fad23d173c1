"""OpenCompass's names and hashes."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

from opencompass_ops.configs.names import dataset_abbr, mode, model_abbr, prompt_hash
from opencompass_ops.contract.codec import digest_bytes
from opencompass_ops.errors import ConfigError


@pytest.mark.parametrize("case", ["fixk", "zero"])
def test_the_prompt_hash_is_opencompass_own(case: str, repo: Path):
    golden = json.loads((repo / "tests/golden/configs/prompt_hash.json").read_text())[case]
    dataset = {"infer_cfg": golden["infer_cfg"]}
    before = copy.deepcopy(dataset)
    assert prompt_hash(dataset) == golden["hash"]
    assert dataset == before


def test_scoring_does_not_enter_the_prompt_hash_and_the_prompt_does():
    infer = {"retriever": {"type": "Z"}, "inferencer": {"type": "G"}, "prompt_template": {"template": "a"}}
    first = prompt_hash({"infer_cfg": infer, "eval_cfg": {"a": 1}})
    assert prompt_hash({"infer_cfg": infer}) == first
    assert prompt_hash({"infer_cfg": {**infer, "prompt_template": {"template": "b"}}}) != first


def test_the_first_releases_shape_is_hashed_as_they_did():
    old = {
        "reader_cfg": {"input_columns": ["q"], "output_column": "a"},
        "infer_cfg": {
            "reader_cfg": {"type": "x.Reader", "train_split": "dev", "test_split": "test"},
            "retriever": {"type": "y.ZeroRetriever"},
            "inferencer": {"type": "z.GenInferencer"},
        },
    }
    shaped = {
        "reader_cfg": {"type": "Reader", "train_split": "dev", "test_split": "test"},
        "retriever": {"type": "ZeroRetriever", "index_split": "dev", "test_split": "test"},
        "inferencer": {"type": "GenInferencer"},
        "reader": {"type": "DatasetReader", "input_columns": ["q"], "output_column": "a"},
    }
    assert prompt_hash(old) == digest_bytes(json.dumps(shaped, sort_keys=True).encode())


def test_models_are_named_by_abbr_or_by_type_and_path():
    assert model_abbr({"abbr": "m", "path": "x"}) == "m"
    assert model_abbr({"type": "HF", "path": "/ckpt/run/step-5"}) == "HF_run_step-5"
    with pytest.raises(ConfigError, match="give it an abbr"):
        model_abbr({"type": "HF"})


def test_datasets_are_named_by_abbr_or_by_path_and_name():
    assert dataset_abbr({"abbr": "d", "path": "x"}) == "d"
    assert dataset_abbr({"path": "a/b", "name": "c/d"}) == "a_b_c_d"
    with pytest.raises(ConfigError, match="give it an abbr"):
        dataset_abbr({"type": "D"})


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("opencompass.openicl.icl_inferencer.GenInferencer", "gen"),
        ("ParallelGenInferencer", "gen"),
        ("PPLInferencer", "ppl"),
        ("PPLOnlyInferencer", "ppl"),
        ("LLInferencer", "ll"),
        ("CLPInferencer", "unknown"),
    ],
)
def test_the_mode_comes_from_the_inferencer(kind: str, expected: str):
    assert mode({"infer_cfg": {"inferencer": {"type": kind}}}) == expected
