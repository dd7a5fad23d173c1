"""Every culprit of a config is named, from its text alone, and a good config has no finding."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.configs.defined import defines
from opencompass_ops.configs.findings import content, findings
from opencompass_ops.configs.load import LoadedConfig

MODEL = {"type": "opencompass.models.HuggingFaceBaseModel", "abbr": "m", "path": "/ckpt"}
DATASET: dict[str, Any] = {
    "type": "opencompass.datasets.BBHDataset",
    "abbr": "d",
    "path": "data/BBH",
    "reader_cfg": {"input_columns": ["input"], "output_column": "target"},
    "infer_cfg": {
        "prompt_template": {"type": "PromptTemplate", "template": "Q: {input}"},
        "retriever": {"type": "ZeroRetriever"},
        "inferencer": {"type": "opencompass.openicl.icl_inferencer.GenInferencer"},
    },
    "eval_cfg": {"evaluator": {"type": "AccEvaluator"}},
}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """The ``configs`` folder of an OpenCompass that has three classes."""
    (tmp_path / "opencompass" / "configs").mkdir(parents=True)
    (tmp_path / "opencompass" / "models.py").write_text("class HuggingFaceBaseModel:\n    pass\n")
    (tmp_path / "opencompass" / "datasets.py").write_text("class BBHDataset: ...\nclass GenInferencer(Base): ...\n")
    return tmp_path / "opencompass" / "configs"


def _said(values: dict[str, Any], library: Path | None = None, error: str = "") -> list[str]:
    loaded = LoadedConfig(Path("/c/eval_x.py"), {} if error else values, error=error)
    return [str(finding) for finding in findings(loaded, library)]


def _infer(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(DATASET), "infer_cfg": {**copy.deepcopy(DATASET["infer_cfg"]), **changes}}


def test_a_good_config_has_no_finding(library: Path):
    assert _said({"models": [MODEL], "datasets": [DATASET]}, library) == []
    assert _said({"bbh_datasets": [DATASET], "bbh_infer_cfg": {"api_key": "sk-aaaaaaaaaaaa"}}, library) == []
    assert _said({"models": [MODEL]}) == []


def test_a_config_that_cannot_be_read_has_that_one_finding():
    assert _said({}, error="/c/eval_x.py: no such file; check the name") == ["error: no such file; check the name"]


def test_every_entry_that_is_wrong_is_named_not_only_the_first():
    values = {"models": [{"path": "x"}, MODEL], "datasets": [1, DATASET, {**DATASET, "eval_cfg": 3, "abbr": "e"}]}
    assert [line.split(";")[0] for line in _said(values)] == [
        "error: models[0] (without abbr) has no type",
        "error: datasets[0] is 1, not a dict",
        "error: dataset e has no eval_cfg",
    ]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"models": [MODEL, {**MODEL, "path": "/b"}]}, "error: models share an abbr: m (2 times)"),
        ({"x_datasets": [DATASET, {**DATASET, "path": "q"}]}, "error: datasets share an abbr: d (2 times)"),
        (
            {"models": [MODEL], "datasets": [DATASET], "model_dataset_combinations": [{"models": ["z"]}]},
            "error: model_dataset_combinations[0] names z, not among the models",
        ),
        ({"models": [MODEL], "datasets": [DATASET], "work_dir": 3}, "error: work_dir is 3"),
        ({"models": [{**MODEL, "api_key": "sk-aaaaaaaaaaaa"}]}, "warning: models[0].api_key looks like a secret"),
        ({"models": [{**MODEL, "path": ""}], "datasets": [DATASET]}, None),
        ({"datasets": [_infer(prompt_template=None)]}, "error: dataset d: infer_cfg has neither prompt_template"),
        (
            {"datasets": [_infer(ice_template={"template": "{input}"})]},
            "error: dataset d: prompt_template has no ice_token",
        ),
        (
            {"datasets": [_infer(prompt_template=None, ice_template={"template": "{input}"})]},
            "error: dataset d: ice_template has no ice_token",
        ),
        (
            {"datasets": [_infer(prompt_template={"template": "Q: {inputs}"})]},
            "warning: dataset d: the prompt shows none of its columns (input); write {input} into it",
        ),
    ],
)
def test_what_would_fail_later_is_found(values: dict[str, Any], said: str | None):
    assert [line for line in _said(values) if said and line.startswith(said)] or said is None


def test_a_class_that_the_opencompass_at_hand_lacks_is_named_with_the_nearest(library: Path):
    model = {**MODEL, "type": "opencompass.models.HuggingFaceBasModel"}
    (said,) = _said({"models": [model], "datasets": [DATASET]}, library)
    assert said.startswith(f"error: models[0] ({model['type']}): {library.parent} defines no HuggingFaceBasModel; ")
    assert said.endswith("did you mean HuggingFaceBaseModel?")
    assert _said({"models": [{**MODEL, "type": "site.models.Own"}]}, library) == []
    assert _said({"models": [model]}) == []


def test_a_bare_summarizer_is_looked_for_too(library: Path):
    values = {"models": [MODEL], "datasets": [DATASET], "summarizer": {"type": "NoSuchSummarizer"}}
    (said,) = _said(values, library)
    assert said.startswith(f"error: summarizer (NoSuchSummarizer): {library.parent} defines no NoSuchSummarizer")
    assert _said(values) == []


def test_names_that_a_package_registers_in_a_loop_are_defined(library: Path):
    (library.parent / "law.py").write_text("register(\n    name='LawEvaluator_' + index,\n)\n")
    assert defines("LawEvaluator_1", library.parent)
    assert not defines("LawEvaluation_1", library.parent)


def test_twins_are_told_of_models_and_of_datasets_beside_what_is_wrong_with_another_entry():
    values = {
        "models": [MODEL, {**MODEL, "path": "/b"}, {"path": "x"}],
        "datasets": [DATASET, {**DATASET, "path": "q"}],
    }
    assert [line.split(";")[0] for line in _said(values)] == [
        "error: models[2] (without abbr) has no type",
        "error: models share an abbr: m (2 times)",
        "error: datasets share an abbr: d (2 times)",
    ]


def test_a_file_of_rows_without_a_type_is_none_that_lacks_its_type():
    assert _said({"own_datasets": [{"abbr": "own", "path": "data/own.jsonl"}]}) == []


def test_raw_messages_have_a_place_for_examples_of_their_own():
    raw = {"type": "opencompass.openicl.RawPromptTemplate", "messages": [{"role": "user", "content": "{input}"}]}
    assert _said({"datasets": [_infer(prompt_template=raw, ice_template={"template": "{input}"})]}) == []


def test_datasets_are_those_that_opencompass_would_take():
    values = {"a_datasets": [{"abbr": "a"}], "b_datasets": [{"abbr": "a"}, {"abbr": "b"}], "dataset": [{"abbr": "c"}]}
    assert [entry["abbr"] for entry in content(values).datasets] == ["a", "b"]
    assert [entry["abbr"] for entry in content(values | {"datasets": [{"abbr": "z"}]}).datasets] == ["z"]
