"""From a request to the evaluation it means, without a config too; and what PAI-DLC lacks, all in one message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.configs.resolve import EvalConfig
from opencompass_ops.errors import ConfigError
from opencompass_ops.planning.request import Request
from opencompass_ops.reading import read_aliyun, read_config

pytestmark = pytest.mark.process

DATASET = """
toy_datasets = [dict(
    abbr='toy', type='JsonlDataset', path='data/toy', reader_cfg=dict(input_columns=['q'], output_column='a'),
    infer_cfg=dict(prompt_template=dict(type='PromptTemplate', template='{q}'), retriever=dict(type='ZeroRetriever'),
                   inferencer=dict(type='GenInferencer', max_out_len=4)),
    eval_cfg=dict(evaluator=dict(type='AccEvaluator')))]
"""
MODEL = """
models = [dict(type='opencompass.models.HuggingFacewithChatTemplate', abbr='small-hf', path='org/small', max_out_len=8,
               batch_size=2, run_cfg=dict(num_gpus=1))]
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("OPENCOMPASS_OPS_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(tmp_path / "shipped"))
    for name, text in {"datasets/toy_gen.py": DATASET, "models/small.py": MODEL}.items():
        (tmp_path / "configs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "configs" / name).write_text(text)
    (tmp_path / "eval_both.py").write_text(f"{MODEL}{DATASET}datasets = toy_datasets\n")
    return tmp_path


def read(home: Path, **params: Any) -> EvalConfig:
    return read_config(Request.from_params(params), home)


def test_models_and_datasets_are_found_by_name_in_the_configs_folder_of_the_checkout(home: Path):
    config = read(home, models=["small"], datasets=["toy_gen"])
    assert [model["abbr"] for model in config.models] == ["small-hf"]
    assert [dataset["abbr"] for dataset in config.datasets] == ["toy"]


def test_a_checkpoint_without_a_config_becomes_the_model_that_opencompass_makes_of_its_flags(home: Path):
    said: dict[str, Any] = {"hf_path": "/ckpt/step-10/", "hf_type": "base", "hf_num_gpus": 2, "batch_size": 4}
    said |= {"model_kwargs": ["torch_dtype=torch.bfloat16"], "generation_kwargs": ["do_sample=True", "top_k=3"]}
    said |= {"stop_words": ["###"], "max_seq_len": 512, "tokenizer_path": "/tok"}
    (model,) = read(home, datasets=["toy_gen"], **said).models
    assert model == {
        "type": "opencompass.models.HuggingFaceBaseModel",
        "abbr": "step-10_hf",
        "path": "/ckpt/step-10/",
        "tokenizer_path": "/tok",
        "max_seq_len": 512,
        "max_out_len": 256,
        "batch_size": 4,
        "model_kwargs": {"torch_dtype": "torch.bfloat16"},
        "generation_kwargs": {"do_sample": True, "top_k": 3},
        "stop_words": ["###"],
        "run_cfg": {"num_gpus": 2},
    }


def test_a_config_goes_before_parts_and_that_is_said(home: Path):
    config = read(home, config=str(home / "eval_both.py"), models=["nowhere"], dataset_num_runs=3)
    assert [model["abbr"] for model in config.models] == ["small-hf"]
    assert "the config says what is evaluated; not used: models, dataset_num_runs" in config.warnings


def test_named_models_go_before_a_checkpoint_and_that_is_said(home: Path):
    config = read(home, models=["small"], hf_path="/ckpt", datasets=["toy_gen"])
    assert [model["abbr"] for model in config.models] == ["small-hf"]
    assert "hf_path is not used, because models is given" in config.warnings


@pytest.mark.parametrize(
    ("said", "warning"),
    [
        ({"config": True, "batch_size": 16, "max_out_len": 9, "custom_dataset_data_type": "mcq"},
         "the config says what is evaluated; not used: max_out_len, batch_size, custom_dataset_data_type"),
        ({"models": ["small"], "datasets": ["toy_gen"], "batch_size": 16, "hf_num_gpus": 2},
         "hf_num_gpus, batch_size: not used, because hf_path is not"),
        ({"hf_path": "/c", "datasets": ["toy_gen"], "custom_dataset_infer_method": "ppl"},
         "custom_dataset_infer_method: not used, because custom_dataset_path is not"),
    ],
)  # fmt: skip
def test_what_describes_a_checkpoint_or_file_that_is_not_used_is_told(home: Path, said: dict[str, Any], warning: str):
    params = said | ({"config": str(home / "eval_both.py")} if "config" in said else {})
    assert warning in read(home, **params).warnings


def test_flags_of_a_checkpoint_are_not_told_where_it_is_used(home: Path):
    assert read(home, hf_path="/c", datasets=["toy_gen"], batch_size=16, stop_words=["#"]).warnings == ()


def test_names_with_commas_between_are_told_to_be_separated_by_spaces(home: Path):
    with pytest.raises(
        ConfigError, match=r"'toy_gen,other' not found; if it is several names, .* by spaces: toy_gen other \(in"
    ):
        read(home, models=["small"], datasets=["toy_gen,other"])
    (home / "configs/datasets/a,b.py").write_text(DATASET)
    assert [dataset["abbr"] for dataset in read(home, models=["small"], datasets=["a,b"]).datasets] == ["toy"]


def test_a_suite_without_a_version_is_told_which_there_are(home: Path):
    (home / "shipped/suites").mkdir(parents=True)
    (home / "shipped/suites/nightly.py").write_text("suite = dict(allow=['path'])\n")
    with pytest.raises(ConfigError, match=r"'nightly' is a suite; 'opencompass-ops publish nightly' makes a version"):
        read(home, config="nightly")
    for version in ("1", "2"):
        (home / f"shipped/suites/nightly@{version}.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"'nightly' is a suite; name a published version of it: .*@1, nightly@2; "):
        read(home, config="nightly")
    with pytest.raises(ConfigError, match=r"suites/nightly\.py is a suite; name a published version of it: nightly@1"):
        read(home, config=str(home / "shipped/suites/nightly.py"))
    with pytest.raises(ConfigError, match=r"config 'nowhere' not found"):
        read(home, config="nowhere")


def test_an_accelerator_changes_type_and_name_of_a_checkpoint_that_was_exchanged(home: Path):
    overrides = [{"path": "/ckpt/step-10", "abbr": "ten-hf"}]
    config = read(home, config=str(home / "eval_both.py"), accelerator="vllm", model_overrides=overrides)
    (model,) = config.models
    assert (model["abbr"], model["path"]) == ("ten-vllm", "/ckpt/step-10")
    assert model["type"].endswith(".VLLMwithChatTemplate")


def test_a_config_folder_that_is_named_has_to_be_there(home: Path):
    with pytest.raises(ConfigError, match=r"config_dir='mine': .*/mine is no folder"):
        read(home, models=["small"], datasets=["toy_gen"], config_dir="mine")


# As the user guide has it; OpenCompass's runner ends in a KeyError for each key that it lacks.
OF_THE_GUIDE = dict(
    bashrc_path="/user/.bashrc", conda_env_name="oc", dlc_config_path="/user/.dlc/config", workspace_id="ws-1",
    worker_image="image:1",
)  # fmt: skip
COMPLETE = {**OF_THE_GUIDE, "resource_id": "quota", "data_sources": ["d-1"]}


def test_the_sample_of_the_user_guide_is_told_everything_that_it_lacks():
    with pytest.raises(ConfigError) as caught:
        read_aliyun(Request(), OF_THE_GUIDE)
    lines = str(caught.value).splitlines()
    assert lines[0] == "aliyun_cfg of the config's runner lacks settings of PAI-DLC; add"
    assert [line.partition(":")[0] for line in lines[1:]] == ["- resource_id", "- data_sources"]
    assert read_aliyun(Request(), COMPLETE).conda_env_name == "oc"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"worker_imag": "x"}, "unknown key 'worker_imag'; did you mean 'worker_image'"),
        ({"data_sources": "d-1"}, "data_sources must be a list"),
        ({"conda_env_name": None}, "python_env_path .*, or bashrc_path and conda_env_name"),
        ({"dlc_job_cmd": "start"}, "dlc_job_cmd must be .submit. or .create., not .start."),
    ],
)
def test_a_wrong_setting_of_pai_dlc_is_named(change: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        read_aliyun(Request(), {**COMPLETE, **change})


@pytest.mark.parametrize("text", ["{values}", "llm_infer = dict(runner=dict(aliyun_cfg=dict({values})))"])
def test_the_settings_of_pai_dlc_are_read_from_a_file(home: Path, text: str):
    listed = [f"{key}={value!r}" for key, value in COMPLETE.items()]
    joined = "\n".join(listed) if text == "{values}" else ", ".join(listed)
    (home / "my_aliyun.py").write_text(text.format(values=joined))
    assert read_aliyun(Request(aliyun_cfg="my_aliyun.py"), None).resource_id == "quota"


def test_a_missing_file_of_settings_says_what_to_copy(home: Path):
    with pytest.raises(
        ConfigError, match=r"/\.aliyun\.cfg: there is no such file.*copy include/configs/aliyun_env\.py"
    ):
        read_aliyun(Request(), None)
