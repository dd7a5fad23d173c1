"""Keys that nothing reads draw a warning with the nearest one that something reads; a site's own classes draw none."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.configs.findings import findings
from opencompass_ops.configs.keys import unread_in_dataset, unread_in_model
from opencompass_ops.configs.load import LoadedConfig
from opencompass_ops.configs.signatures import arguments

BASE = "opencompass.models.HuggingFaceBaseModel"
PARTS: dict[str, Any] = {
    "reader_cfg": {"input_columns": ["q"], "output_column": "a"},
    "infer_cfg": {
        "prompt_template": {"type": "PromptTemplate", "template": "{q}"},
        "retriever": {"type": "ZeroRetriever"},
        "inferencer": {"type": "opencompass.openicl.icl_inferencer.GenInferencer", "max_out_len": 4},
    },
    "eval_cfg": {"evaluator": {"type": "AccEvaluator"}, "pred_role": "BOT"},
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """An OpenCompass of two data sets and two evaluators."""
    (tmp_path / "datasets.py").write_text(
        "class SumsDataset(BaseDataset):\n    @staticmethod\n    def load(path, level='easy'): ...\n"
        "class HarderDataset(SumsDataset): ...\n"
        "class OpenDataset(BaseDataset):\n    @staticmethod\n    def load(path, **kwargs): ...\n"
        "class MadeDataset(BaseDataset):\n    def __init__(self, more, **kwargs): ...\n    def load(path): ...\n"
    )
    (tmp_path / "evaluators.py").write_text(
        "class BaseEvaluator:\n    def __init__(self, pred_postprocessor=None): ...\n"
        "class NearEvaluator(BaseEvaluator):\n    def __init__(self, distance): ...\n"
        "class PlainEvaluator(BaseEvaluator): ...\n"
    )
    (tmp_path / "again.py").write_text("class Twice:\n    def load(a): ...\n")
    (tmp_path / "and_again.py").write_text("class Twice:\n    def load(b): ...\n")
    return tmp_path


def test_a_mistyped_key_of_a_model_is_told_with_the_nearest():
    model = {"type": BASE, "abbr": "m", "path": "/m", "batch_sise": 2, "max_out_len": 4, "zzz": 1}
    assert list(unread_in_model(model)) == [
        "'batch_sise' of HuggingFaceBaseModel is read by nothing; did you mean 'batch_size'?",
        "'zzz' of HuggingFaceBaseModel is read by nothing; correct it or take it out",
    ]
    assert list(unread_in_model({**model, "type": "site.models.Own"})) == []


def test_a_mistyped_key_of_a_datasets_sections_is_told():
    dataset = {"type": "SumsDataset", "abbr": "d", "path": "p", **PARTS}
    assert list(unread_in_dataset(dataset, None)) == []
    dataset["reader_cfg"] = {"input_columns": ["q"], "output_colum": "a"}
    dataset["infer_cfg"] = {
        **PARTS["infer_cfg"],
        "max_out_len": 3,
        "inferencer": {"type": "GenInferencer", "max_out": 1},
    }
    dataset["eval_cfg"] = {"evaluater": 1, "model_postprocessor": {"type": "x"}}
    assert [said.partition(";")[0] for said in unread_in_dataset(dataset, None)] == [
        "'output_colum' of reader_cfg is read by nothing",
        "'max_out_len' of infer_cfg is read by nothing",
        "'evaluater' of eval_cfg is read by nothing",
        "'model_postprocessor' of eval_cfg is read by nothing",
        "'max_out' of infer_cfg.inferencer (GenInferencer) is read by nothing",
    ]


def test_of_loaders_and_evaluators_the_opencompass_at_hand_says_what_they_take(package: Path):
    dataset = {"type": "opencompass.datasets.HarderDataset", "abbr": "d", "path": "p", "levle": "hard", **PARTS}
    dataset["eval_cfg"] = {"evaluator": {"type": "NearEvaluator", "distanze": 1, "pred_postprocessor": {"type": "x"}}}
    assert list(unread_in_dataset(dataset, package)) == [
        "'levle' of HarderDataset is read by nothing; did you mean 'level'?",
        "'distanze' of eval_cfg.evaluator (NearEvaluator) is read by nothing; did you mean 'distance'?",
    ]
    assert list(unread_in_dataset(dataset, None)) == []


@pytest.mark.parametrize("name", ["OpenDataset", "MadeDataset", "Twice", "NoSuchDataset"])
def test_what_takes_anything_or_cannot_be_known_is_left_alone(package: Path, name: str):
    assert arguments(package, name, "load") is None


def test_a_class_without_arguments_of_its_own_takes_those_of_its_base(package: Path):
    assert arguments(package, "PlainEvaluator", "__init__") == {"pred_postprocessor"}


def test_what_many_datasets_share_is_told_once():
    datasets = [{"type": "D", "abbr": f"d{n}", "path": "p", **PARTS, "eval_cfg": {"evalator": {}}} for n in range(5)]
    told = findings(LoadedConfig(Path("/c/x.py"), {"x_datasets": datasets}), None)
    assert [str(finding) for finding in told] == [
        "warning: 5 datasets (d0, d1, d2 and 2 more): 'evalator' of eval_cfg is read by nothing; did you mean "
        "'evaluator'?"
    ]


MODELS = ["HuggingFace", "HuggingFaceCausalLM", "HuggingFaceChatGLM3", "HuggingFacewithChatTemplate"]
MODELS += ["HuggingFaceBaseModel", "VLLM", "VLLMwithChatTemplate", "TurboMindModel", "TurboMindModelwithChatTemplate"]


@pytest.mark.parametrize("name", [*MODELS, "OpenAI", "OpenAISDK"])
def test_whatever_a_class_of_opencompass_takes_is_a_known_key(opencompass_wheel: Path, name: str):
    taken = _constructor(opencompass_wheel / "opencompass" / "models", name)
    assert "path" in taken
    assert list(unread_in_model({"type": name, **dict.fromkeys(taken)})) == []


def _constructor(folder: Path, name: str) -> set[str]:
    """The arguments of a class and, as far as it hands others on, of its bases."""
    for file in sorted(folder.glob("*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                makers = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
                own = {argument.arg for maker in makers for argument in maker.args.args} - {"self"}
                hands_on = not makers or makers[0].args.kwarg is not None
                return own | (_constructor(folder, ast.unparse(node.bases[0])) if hands_on else set())
    return set()
