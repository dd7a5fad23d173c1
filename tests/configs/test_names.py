"""OpenCompass's names and hashes."""

from __future__ import annotations

import copy
import json
import os
import re
from pathlib import Path

import pytest

from opencompass_ops.configs.load import load
from opencompass_ops.configs.names import dataset_abbr, mode, model_abbr, prompt_hash
from opencompass_ops.contract.codec import digest_bytes
from opencompass_ops.errors import ConfigError

HASHED = re.compile(r"_([0-9a-f]{6})\.py$")
# A config file describes datasets under names like these, in OpenCompass 0.5.4.
LISTED = "_datasets"


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


@pytest.fixture
def wheel_configs() -> Path:
    """``opencompass/configs`` of an unpacked OpenCompass wheel."""
    named = os.environ.get("OPENCOMPASS_WHEEL_DIR")
    if not named:
        pytest.skip("OPENCOMPASS_WHEEL_DIR names no unpacked opencompass 0.5.4 wheel")
    return Path(named) / "opencompass" / "configs"


@pytest.mark.timeout(600)
def test_every_hash_in_opencompass_file_names_is_ours(wheel_configs: Path):
    paths = sorted(path for path in (wheel_configs / "datasets").rglob("*.py") if HASHED.search(path.name))
    checked = 0
    for loaded in load(paths):
        match = HASHED.search(loaded.path.name)
        listed = [value for key, value in loaded.values.items() if key.endswith(LISTED) and isinstance(value, list)]
        hashable = [dataset for dataset in (listed[0] if listed else []) if "infer_cfg" in dataset]
        if match and hashable:
            hashes = [prompt_hash(dataset) for dataset in hashable]
            together = digest_bytes(",".join(hashes).encode())
            assert match[1] in (hashes[0][:6], together[:6]), loaded.path
            checked += 1
    assert checked == 773
