"""Configs that load, and what counts as read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from opencompass_ops.configs.load import LoadedConfig, load
from opencompass_ops.configs.resolve import fingerprint

BASE = "from opencompass.models import HuggingFaceBaseModel\nmodels = [dict(type=HuggingFaceBaseModel, path='m')]\n"
READING = """
import os
from copy import deepcopy
from opencompass.datasets import BBHDataset
from mmengine.config import read_base
with read_base():
    from .base import models
datasets = []
for name in ['x']:
    with open(os.path.join(os.path.dirname(__file__), 'hint.txt')) as stream:
        hint = stream.read()
    datasets.append(deepcopy(dict(type=BBHDataset, name=name, hint=hint, ids=(1, 2), labels={0: 'no', 1: 'yes'})))
model = os.environ.get('TOKENIZER_MODEL', 'none')
def shorten(text):
    return text[:1]
"""


def _tree(folder: Path) -> Path:
    """A config with a base and a text beside it."""
    folder.mkdir(exist_ok=True)
    (folder / "base.py").write_text(BASE)
    (folder / "hint.txt").write_text("think")
    (folder / "eval_x.py").write_text(READING)
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A config with a base and a text beside it."""
    return _tree(tmp_path)


def test_the_standard_library_runs_and_everything_else_stays_a_name_and_what_was_read_is_known(tree: Path):
    (loaded,) = load([tree / "eval_x.py"])
    assert loaded.error == ""
    assert loaded.values["models"] == [{"type": "opencompass.models.HuggingFaceBaseModel", "path": "m"}]
    assert loaded.values["datasets"] == [
        {
            "type": "opencompass.datasets.BBHDataset",
            "name": "x",
            "hint": "think",
            "ids": [1, 2],
            "labels": {"0": "no", "1": "yes"},
        }
    ]
    assert "shorten" not in loaded.values
    assert "stream" not in loaded.values
    assert sorted(Path(path).name for path in loaded.files) == ["base.py", "eval_x.py", "hint.txt"]
    assert loaded.environment == {"TOKENIZER_MODEL": None}


def test_the_fingerprint_follows_base_text_and_variable_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    same, other, base, text = (_tree(tmp_path / name) for name in ("same", "other", "base", "text"))
    (other / "not_read.txt").write_text("x")
    (base / "base.py").write_text(BASE + "# a remark\n")
    (text / "hint.txt").write_text("think hard")
    loaded = load([folder / "eval_x.py" for folder in (same, other, base, text)])
    monkeypatch.setenv("TOKENIZER_MODEL", "gpt-4")
    loaded += load([same / "eval_x.py"])
    assert [item.error for item in loaded] == [""] * 5
    first, untouched, *changed = [fingerprint(item) for item in loaded]
    assert untouched == first
    assert len({first, *changed}) == 4


def test_the_fingerprint_does_not_depend_on_where_the_files_lie():
    values = {"models": []}
    here = LoadedConfig(Path("/a/x.py"), values, {"/a/x.py": "1", "/a/y.py": "2"})
    there = LoadedConfig(Path("/b/x.py"), values, {"/b/z.py": "1", "/b/y.py": "2"})
    assert fingerprint(here) == fingerprint(there)


def test_secrets_and_own_settings_are_not_there_for_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "c.py").write_text("import os\nseen = sorted(os.environ)\ndict(os.environ)\n")
    for name in ("OPENAI_API_KEY", "OPENCOMPASS_API_KEY", "OPENCOMPASS_OPS_DATABASE", "HOME", "OPENCOMPASS_CASE"):
        monkeypatch.setenv(name, "x")
    (loaded,) = load([tmp_path / "c.py"])
    assert "OPENCOMPASS_CASE" in loaded.values["seen"]
    assert not {"OPENAI_API_KEY", "OPENCOMPASS_API_KEY", "OPENCOMPASS_OPS_DATABASE", "HOME"} & set(
        loaded.values["seen"]
    )


def test_a_base_named_by_its_package_is_found_in_a_config_folder(tmp_path: Path):
    (tmp_path / "mine" / "models").mkdir(parents=True)
    (tmp_path / "mine" / "models" / "m.py").write_text(BASE)
    (tmp_path / "runs").mkdir()
    eval_config = tmp_path / "runs" / "e.py"
    eval_config.write_text(
        "from mmengine.config import read_base\nwith read_base():\n"
        "    from opencompass.configs.models.m import models as listed\n"
    )
    (found,) = load([eval_config], config_dirs=[tmp_path / "mine"])
    (missing,) = load([eval_config])
    assert found.values["listed"][0]["path"] == "m"
    assert missing.error.startswith(f"{eval_config}:3: base config opencompass.configs.models.m not found")


def test_a_base_named_by_its_package_is_found_in_an_unpacked_opencompass(tmp_path: Path):
    folder = tmp_path / "opencompass" / "configs" / "models"
    folder.mkdir(parents=True)
    (folder / "m.py").write_text(BASE)
    (tmp_path / "examples").mkdir()
    eval_config = tmp_path / "examples" / "e.py"
    eval_config.write_text(
        "from mmengine.config import read_base\nwith read_base():\n"
        "    from opencompass.configs.models.m import models\n"
    )
    (loaded,) = load([eval_config])
    assert loaded.error == ""
    assert [model["path"] for model in loaded.values["models"]] == ["m"]


ABSOLUTE = (
    "from mmengine.config import read_base\nwith read_base():\n    from opencompass.configs.models.m import models\n"
)


def test_a_file_of_ones_own_that_stands_in_place_of_opencompasss_base_is_told_where_they_differ(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    own, theirs = tmp_path / "own", tmp_path / "wheel" / "opencompass" / "configs"
    for folder, path in ((own, "mine"), (theirs, "theirs")):
        (folder / "models").mkdir(parents=True)
        (folder / "models" / "m.py").write_text(BASE.replace("'m'", repr(path)))
    (tmp_path / "e.py").write_text(ABSOLUTE)
    monkeypatch.setenv("OPENCOMPASS_OPS_OPENCOMPASS_DIR", str(tmp_path / "wheel"))
    (loaded,) = load([tmp_path / "e.py"], config_dirs=[own])
    assert loaded.values["models"][0]["path"] == "mine"
    (warning,) = loaded.warnings
    assert f"the base {own}/models/m.py stands in place of OpenCompass's {theirs}/models/m.py" in warning
    assert str(theirs / "models" / "m.py") not in loaded.files  # what was not read changes no fingerprint
    (own / "models" / "m.py").write_bytes((theirs / "models" / "m.py").read_bytes())
    assert load([tmp_path / "e.py"], config_dirs=[own])[0].warnings == ()


def test_a_missing_base_of_opencompass_names_the_libraries_that_were_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "e.py").write_text(ABSOLUTE)
    (tmp_path / "wheel" / "opencompass" / "configs").mkdir(parents=True)
    monkeypatch.setattr("opencompass_ops.configs.bases.installed_package", lambda name: None)
    monkeypatch.setenv("OPENCOMPASS_OPS_OPENCOMPASS_DIR", str(tmp_path / "wheel"))
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(tmp_path / "own"))
    error = load([tmp_path / "e.py"])[0].error
    assert error.startswith(f"{tmp_path}/e.py:3: base config opencompass.configs.models.m not found; looked in ")
    assert f"{tmp_path}/own, and in OpenCompass's library {tmp_path}/wheel/opencompass/configs; correct the" in error
    monkeypatch.delenv("OPENCOMPASS_OPS_OPENCOMPASS_DIR")
    error = load([tmp_path / "e.py"])[0].error
    assert "no OpenCompass library was found: unpack its wheel and name the folder in OPENCOMPASS_OPS_" in error


def test_old_style_bases_and_placeholders_work(tmp_path: Path):
    (tmp_path / "base.py").write_text("models = [dict(type='M', path='m')]\n")
    (tmp_path / "c.py").write_text("_base_ = ['./base.py']\nname = '{{ fileBasenameNoExtension }}'\n")
    (loaded,) = load([tmp_path / "c.py"])
    assert loaded.error == ""
    assert loaded.values == {"models": [{"type": "M", "path": "m"}], "name": "c"}


def test_data_beside_the_configs_is_readable_once_it_is_named(tmp_path: Path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "names.txt").write_text("a b")
    config = tmp_path / "configs" / "c.py"
    config.write_text("names = open('./data/names.txt').read().split()\n")
    (named,) = load([config], data_dir=tmp_path)
    (unnamed,) = load([config])
    assert named.values["names"] == ["a", "b"]
    assert "FileNotFoundError" in unnamed.error


def test_options_change_the_values_and_one_that_does_not_fit_is_the_config_error(tmp_path: Path):
    (tmp_path / "c.py").write_text("models = [dict(type='M', path='m')]\n")
    (tmp_path / "d.py").write_text("models = []\n")
    changed, wrong = load([tmp_path / "c.py", tmp_path / "d.py"], cfg_options=["models.0.batch_size=8"])
    assert changed.values["models"][0]["batch_size"] == 8
    assert wrong.error.startswith(f"{tmp_path / 'd.py'}: cfg option models.0")
    assert wrong.values == {}


def test_a_config_runs_in_a_process_of_its_own(tmp_path: Path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.py").write_text("import os\npid = os.getpid()\nparent = os.getppid()\n")
    first, second = load([tmp_path / "a.py", tmp_path / "b.py"])
    assert len({first.values["pid"], second.values["pid"], first.values["parent"], os.getpid()}) == 4


def test_a_set_is_listed_alike_whenever_it_is_read(tmp_path: Path):
    (tmp_path / "c.py").write_text("names = list({'a', 'b', 'c', 'd', 'e', 'f', 'g'})\n")
    assert load([tmp_path / "c.py"])[0].values == load([tmp_path / "c.py"])[0].values
