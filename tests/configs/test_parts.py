"""An evaluation of named parts: OpenCompass's rules, and errors where it guesses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.configs.parts import Parts, load_parts
from opencompass_ops.configs.resolve import resolve
from opencompass_ops.errors import ConfigError

DATASET = (
    "dict(abbr='{0}', type='D', path='p', reader_cfg=dict(), eval_cfg=dict(),"
    " infer_cfg=dict(retriever=dict(type='R'), inferencer=dict(type='GenInferencer')))"
)
OWN = {
    "models/llama/tiny_7b.py": "models = [dict(type='M', abbr='tiny', path='t')]",
    "models/none.py": "model = []",
    "datasets/sums/sums_gen.py": (
        f"sums_datasets = [{DATASET.format('sums')}]\nmore_datasets = [{DATASET.format('more')}]"
    ),
    "datasets/sums/twice_gen.py": "",
    "datasets/other/twice_gen.py": "",
    "datasets/broken.py": "a = 1 / 0",
    "dataset_collections/all_of_them.py": f"x_datasets = [{DATASET.format('x')}]\ndatasets = x_datasets",
    "summarizers/short.py": "summarizer = dict(dataset_abbrs=['sums'])\nlong = dict(dataset_abbrs=['sums', 'more'])",
    "summarizers/groups/short.py": "short_summary_groups = []",
    "summarizers/example.py": "summarizer = dict(summary_groups=[])",
}
LIBRARY = {
    "datasets/sums/sums_gen.py": f"sums_datasets = [{DATASET.format('theirs')}]",
    "datasets/far/far_gen.py": (
        "from mmengine.config import read_base\n"
        "with read_base():\n    from opencompass.configs.datasets.far.far_gen_abc import far_datasets\n"
    ),
    "datasets/far/far_gen_abc.py": (
        f"from opencompass.datasets import D\nfar_datasets = [{DATASET.format('far')}]\nfar_datasets[0]['type'] = D"
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configs of one's own under ``own``, an unpacked opencompass under ``wheel``."""
    root = tmp_path_factory.mktemp("library")
    for below, files in (("own", OWN), ("wheel/opencompass/configs", LIBRARY)):
        for name, text in files.items():
            (root / below / name).parent.mkdir(parents=True, exist_ok=True)
            (root / below / name).write_text(text)
    (root / "shipped").mkdir()
    return root


@pytest.fixture(autouse=True)
def _where(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(folder / "shipped"))
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIRS", str(folder / "own"))
    monkeypatch.setenv("OPENCOMPASS_OPS_OPENCOMPASS_DIR", str(folder / "wheel"))


def _abbrs(*datasets: str, **parts: Any) -> list[str]:
    loaded = load_parts(Parts(models=["tiny_7b"], datasets=datasets, **parts))
    assert loaded.error == ""
    return [dataset["abbr"] for dataset in loaded.values["datasets"]]


def test_parts_are_put_together_by_name_and_resolve(folder: Path):
    loaded = load_parts(
        Parts(models=["TINY_7B"], datasets=["sums_gen", "far_gen"], summarizer="short"),
        cfg_options=["models.0.batch_size=3"],
    )
    config = resolve(loaded)
    assert [model["batch_size"] for model in config.models] == [3]
    assert [dataset["abbr"] for dataset in config.datasets] == ["sums", "more", "far"]
    assert config.datasets[-1]["type"] == "opencompass.datasets.D"
    assert config.summarizer == {"dataset_abbrs": ["sums"]}
    assert str(config.path) == "models TINY_7B on datasets sums_gen, far_gen"
    assert str(folder / "wheel/opencompass/configs/datasets/far/far_gen_abc.py") in loaded.files
    (warning,) = config.warnings
    assert f"{folder}/own/datasets/sums/sums_gen.py stands in place of {folder}/wheel" in warning


def test_what_follows_the_slash_is_the_end_of_the_keys_that_count():
    assert _abbrs("sums_gen/more_datasets") == ["more"]
    assert _abbrs("all_of_them/datasets") == ["x", "x"]
    assert _abbrs("all_of_them") == ["x"]
    assert load_parts(Parts(["tiny_7b"], ["sums_gen"], "short/long")).values["summarizer"] == {
        "dataset_abbrs": ["sums", "more"]
    }


def test_a_path_below_a_folder_settles_which_file_is_meant(folder: Path):
    with pytest.raises(ConfigError, match=r"dataset config 'twice_gen' is ambiguous: .*other/twice_gen.py, .*sums/twi"):
        _abbrs("twice_gen")
    with pytest.raises(ConfigError, match=r"other/twice_gen.py has no key that ends with '_datasets'"):
        _abbrs("other/twice_gen.py")
    theirs = folder / "wheel/opencompass/configs/datasets/sums/sums_gen.py"
    assert _abbrs(str(theirs)) == _abbrs(f"{theirs}/sums_datasets") == ["theirs"]


def test_the_usual_summarizer_is_taken_where_there_is_one(folder: Path, monkeypatch: pytest.MonkeyPatch):
    assert load_parts(Parts(["tiny_7b"], ["sums_gen"])).values["summarizer"] == {"summary_groups": []}
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIRS", "")
    parts = Parts([str(folder / "own/models/llama/tiny_7b.py")], ["far_gen"])
    assert load_parts(parts).values["summarizer"] is None


def test_entries_that_no_config_describes_come_along():
    parts = Parts(["tiny_7b"], (), more_models=[{"abbr": "hf"}], more_datasets=[{"path": "a.jsonl"}])
    values = load_parts(parts).values
    assert [model["abbr"] for model in values["models"]] == ["hf", "tiny"]
    assert values["datasets"] == [{"path": "a.jsonl"}]


def test_repeated_runs_are_asked_of_every_dataset():
    parts = Parts(["tiny_7b"], ["sums_gen"], dataset_num_runs=4)
    assert [(d["n"], d["k"]) for d in load_parts(parts).values["datasets"]] == [(4, 4)] * 2


@pytest.mark.parametrize(
    ("parts", "part"),
    [
        (Parts(["tiny_7b"], []), "no dataset is named"),
        (Parts([], ["sums_gen"]), "no model is named"),
        (Parts(["tiny_8b"], ["sums_gen"]), "did you mean tiny_7b or"),
        (Parts(["none"], ["sums_gen"]), "none.py has no key 'models'; its keys are: model;"),
        (Parts(["tiny_7b"], ["sums_gen"], "short/wrong"), "short.py has no wrong; its keys are: summarizer, long;"),
        (Parts(["tiny_7b"], ["sums_gen"], "nowhere"), "summarizer config 'nowhere' not found"),
    ],
)
def test_a_part_that_is_not_there_is_named(parts: Parts, part: str):
    with pytest.raises(ConfigError) as caught:
        load_parts(parts)
    assert part in str(caught.value)


def test_a_broken_part_is_the_error_of_the_whole():
    loaded = load_parts(Parts(["tiny_7b"], ["broken"]))
    assert "broken.py:1: ZeroDivisionError" in loaded.error
    with pytest.raises(ConfigError, match="ZeroDivisionError"):
        resolve(loaded)


def test_a_variable_that_names_no_opencompass_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENCOMPASS_OPS_OPENCOMPASS_DIR", str(folder / "shipped"))
    with pytest.raises(ConfigError, match="holds neither opencompass/configs nor configs"):
        _abbrs("sums_gen")
