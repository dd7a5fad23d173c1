"""Configs are found by path and by name, and the shipped ones are whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.build import build_requests
from inference.datasets import load_rows
from inference.evaluators import EVALUATORS
from inference.postprocess import POSTPROCESSORS
from opencompass_ops.asked import models_for
from opencompass_ops.clusters.aliyun import Aliyun
from opencompass_ops.configs.library import default_config_dir, find_config, offered
from opencompass_ops.configs.load import LoadedConfig, load
from opencompass_ops.configs.names import mode, prompt_hash
from opencompass_ops.configs.resolve import resolve
from opencompass_ops.errors import ConfigError
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.sections import Stage, eval_stage, infer_stage


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config folder of one's own; the shipped one is empty."""
    for name in ("eval_one.py", "runs/eval_two.py", "more/eval_two.py", "models/eval_one.py", "clusters/Big.py"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_text("")
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(tmp_path / "shipped"))
    return tmp_path / "mine"


def test_a_path_is_taken_as_it_is(folder: Path):
    assert find_config(str(folder / "models/eval_one.py")) == folder / "models/eval_one.py"


@pytest.mark.parametrize("name", ["eval_one", "EVAL_ONE.PY", "./eval_one.py"])
def test_a_name_is_found_whatever_its_case(folder: Path, name: str):
    assert find_config(name, [folder]) == folder / "eval_one.py"


def test_a_kind_looks_in_its_subfolder_only(folder: Path):
    assert find_config("big", [folder], kind="clusters") == folder / "clusters/Big.py"
    with pytest.raises(ConfigError, match="not found"):
        find_config("big", [folder])


def test_an_ambiguous_name_lists_its_candidates_and_a_path_settles_it(folder: Path):
    with pytest.raises(ConfigError, match="ambiguous") as caught:
        find_config("eval_two", [folder, folder])
    assert str(folder / "runs/eval_two.py") in str(caught.value)
    assert str(folder / "more/eval_two.py") in str(caught.value)
    assert find_config("more/eval_two", [folder]) == folder / "more/eval_two.py"


def test_a_form_is_offered_evaluations_and_clusters_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("eval_b.py", "eval_a.py", "parts.py", "clusters/big.py", "clusters/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(tmp_path))
    assert (offered(), offered("clusters"), offered("models")) == (["eval_a", "eval_b"], ["big"], [])


def test_an_unknown_name_suggests_near_ones(folder: Path):
    with pytest.raises(ConfigError, match="did you mean eval_one"):
        find_config("eval_onne", [folder])
    with pytest.raises(ConfigError, match=r"cluster config 'zzz' not found; there are: big"):
        find_config("zzz", [folder], kind="clusters")
    with pytest.raises(ConfigError, match="not found"):
        find_config("", [folder])


@pytest.fixture(scope="module")
def shipped() -> dict[str, LoadedConfig]:
    """Every config of the repository, by its path below ``include/configs``."""
    root = default_config_dir()
    return {loaded.path.relative_to(root).as_posix(): loaded for loaded in load(sorted(root.rglob("*.py")))}


def test_every_shipped_config_loads(shipped: dict[str, LoadedConfig]):
    assert {name: loaded.error for name, loaded in shipped.items() if loaded.error} == {}
    assert "clusters/local.py" in shipped


def test_every_shipped_evaluation_resolves_and_sums_up_what_it_has(shipped: dict[str, LoadedConfig]):
    evaluations = {name: resolve(loaded) for name, loaded in shipped.items() if name.startswith("eval_")}
    assert sorted(evaluations) == ["eval_bbh.py", "eval_demo.py", "eval_gsm8k.py", "eval_tiny.py"]
    for evaluation in evaluations.values():
        groups = {group["name"] for group in (evaluation.summarizer or {}).get("summary_groups", [])}
        known = {dataset["abbr"] for dataset in evaluation.datasets} | groups
        assert set((evaluation.summarizer or {})["dataset_abbrs"]) == known
    for name in ("eval_demo.py", "eval_tiny.py"):
        modes = [mode(dataset) for dataset in evaluations[name].datasets]
        assert (modes, evaluations[name].warnings) == (["gen", "ppl"], ())


def test_the_demo_of_the_user_guide_asks_what_opencompass_asks(shipped: dict[str, LoadedConfig]):
    # OpenCompass's own siqa_gen and winograd_ppl are siqa_gen_18632c and winograd_ppl_b6c7ed.
    datasets = resolve(shipped["eval_demo.py"]).datasets
    assert {dataset["abbr"]: prompt_hash(dataset)[:6] for dataset in datasets} == {
        "siqa": "18632c",
        "winograd": "b6c7ed",
    }


def test_the_settings_of_pai_dlc_that_are_shipped_are_complete_for_both_stages(shipped: dict[str, LoadedConfig]):
    values = shipped["aliyun_env.py"].values
    infer = infer_stage(values["llm_infer"], Request(config="c"))
    evaluation = eval_stage(values["llm_eval"], Request(config="c"), Stage("local", 1, 0))
    for stage in (infer, evaluation):
        assert (stage.cluster, stage.max_num_workers) == ("dlc", 32)
        assert stage.aliyun is not None
        assert Aliyun.from_values("aliyun_cfg", stage.aliyun).python_env_path


def test_the_address_of_the_chat_stands_in_no_file(shipped: dict[str, LoadedConfig]):
    assert shipped["lark.py"].values == {"lark_bot_url": None}
    assert list(shipped["lark.py"].environment) == ["OPENCOMPASS_LARK_BOT_URL"]


@pytest.mark.parametrize("name", ["llama/llama_7b", "llama/llama2_7b", "llama/llama2_7b_chat", "internal/llm_v2"])
def test_a_shipped_model_runs_as_many_processes_as_it_has_gpus(shipped: dict[str, LoadedConfig], name: str):
    (model,) = shipped[f"models/{name}.py"].values["models"]
    (checked,) = models_for(Request(config="c"), [model])
    assert checked["run_cfg"]["num_gpus"] == checked["run_cfg"]["num_procs"]
    assert model["tokenizer_path"]


@pytest.mark.parametrize(("name", "rows"), [("eval_bbh.py", [250, 250, 250]), ("eval_gsm8k.py", [1319])])
def test_shipped_configs_ask_real_data(
    shipped: dict[str, LoadedConfig], shared_data: Path, tmp_path: Path, name: str, rows: list[int]
):
    (tmp_path / "data").symlink_to(shared_data / "opencompass")
    config = resolve(shipped[name])
    requests = [
        build_requests(config.models[0], dataset, load_rows(dataset, str(tmp_path))) for dataset in config.datasets
    ]
    assert [len(asked) for asked in requests] == rows
    assert all(request.gold for asked in requests for request in asked)


def test_every_shipped_scorer_is_native(shipped: dict[str, LoadedConfig]):
    evaluations = [resolve(loaded) for name, loaded in shipped.items() if name.startswith("eval_")]
    for scoring in (dataset["eval_cfg"] for evaluation in evaluations for dataset in evaluation.datasets):
        EVALUATORS.find(scoring["evaluator"]["type"])
        for key in ("pred_postprocessor", "dataset_postprocessor"):
            if key in scoring:
                POSTPROCESSORS.find(scoring[key]["type"])
