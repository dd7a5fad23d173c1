"""A loaded config becomes an evaluation, or one message says what is wrong with it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.configs.load import LoadedConfig
from opencompass_ops.configs.resolve import resolve
from opencompass_ops.errors import ConfigError

MODEL = {"type": "opencompass.models.HuggingFaceBaseModel", "abbr": "m", "path": "./ckpt/step-1"}
DATASET = {
    "type": "opencompass.datasets.BBHDataset",
    "path": "./data/BBH/data",
    "name": "x",
    "reader_cfg": {"input_columns": ["input"]},
    "infer_cfg": {"retriever": {"type": "ZeroRetriever"}, "inferencer": {"type": "GenInferencer"}},
    "eval_cfg": {"evaluator": {"type": "AccEvaluator"}},
}


def _loaded(**values: Any) -> LoadedConfig:
    return LoadedConfig(Path("/c/eval_x.py"), {"models": [MODEL], "datasets": [DATASET], **copy.deepcopy(values)})


def test_models_and_datasets_get_opencompass_names():
    unnamed = {key: value for key, value in MODEL.items() if key != "abbr"}
    relative = {**DATASET, "path": "data/BBH"}
    config = resolve(
        _loaded(models=[unnamed], datasets=[relative], work_dir="out", summarizer={"dataset_abbrs": ["d"]})
    )
    assert config.models[0]["abbr"] == "opencompass.models.HuggingFaceBaseModel_ckpt_step-1"
    assert config.datasets[0]["abbr"] == "data_BBH_x"
    assert (config.work_dir, config.summarizer, config.infer) == ("out", {"dataset_abbrs": ["d"]}, None)


def test_a_name_made_of_a_path_that_starts_with_a_dot_is_opencompasss():
    (dataset,) = resolve(_loaded(datasets=[DATASET])).datasets
    assert dataset["abbr"].startswith("._")


def _with(**changes: Any) -> dict[str, Any]:
    return {**DATASET, "abbr": "d", **changes}


def test_a_dataset_that_is_listed_twice_counts_once():
    config = resolve(_loaded(datasets=[_with(), _with(abbr="e"), _with()]))
    assert [dataset["abbr"] for dataset in config.datasets] == ["d", "e"]
    assert "datasets lists 1 of its entries more than once; each counts once" in config.warnings


def test_combinations_become_names():
    config = resolve(_loaded(datasets=[_with()], model_dataset_combinations=[{"models": [MODEL], "datasets": ["d"]}]))
    assert config.model_dataset_combinations == [{"models": ["m"], "datasets": ["d"]}]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"models": None}, "has no models"),
        ({"datasets": []}, "has no datasets"),
        ({"models": {"a": 1}}, "has no models"),
        ({"datasets": [[DATASET]]}, "datasets[0] is"),
        ({"models": [{"abbr": "m"}]}, "models[0] (m) has no type"),
        ({"models": [MODEL, MODEL]}, "models share an abbr: m (2 times)"),
        ({"datasets": [_with(), _with(path="q"), _with(abbr="e")]}, "datasets share an abbr: d (2 times)"),
        ({"models": [{**MODEL, "abbr": "a//b"}]}, "models[0]: abbr 'a//b'"),
        ({"models": [{**MODEL, "abbr": "../up"}]}, "models[0]: abbr '../up'"),
        ({"models": [{**MODEL, "abbr": 3}]}, "models[0] has the abbr 3"),
        ({"models": [{"type": "M"}]}, "neither abbr nor path"),
        ({"datasets": [_with(reader_cfg=None)]}, "dataset d has no reader_cfg"),
        ({"datasets": [_with(infer_cfg={"retriever": {"type": "Z"}})]}, "dataset d has no infer_cfg.inferencer"),
        ({"datasets": [_with(eval_cfg=[])]}, "dataset d has no eval_cfg"),
        ({"datasets": [_with(n=0)]}, "dataset d asks for n=0 runs and k=1 of them"),
        ({"datasets": [_with(k=[1, 2])]}, "k=[1, 2] of them"),
        ({"summarizer": []}, "summarizer is []"),
        ({"work_dir": 3}, "work_dir is 3"),
        (
            {"model_dataset_combinations": [{"models": ["other"], "datasets": ["d"]}]},
            "names other, not among the models",
        ),
        ({"model_dataset_combinations": [{"models": ["m"]}]}, "model_dataset_combinations[0] has no datasets"),
    ],
)
def test_a_config_that_is_no_evaluation_is_refused(changes: dict[str, Any], part: str):
    with pytest.raises(ConfigError) as caught:
        resolve(_loaded(**{"datasets": [_with()], **changes}))
    assert part in str(caught.value)
    assert str(caught.value).startswith("/c/eval_x.py: ")


def test_a_config_that_could_not_be_read_is_refused_with_its_message():
    with pytest.raises(ConfigError, match="syntax error"):
        resolve(LoadedConfig(Path("x.py"), error="x.py:1: syntax error"))


def test_one_run_written_out_is_accepted():
    assert resolve(_loaded(datasets=[_with(n=1, k=[1])])).datasets[0]["abbr"] == "d"
