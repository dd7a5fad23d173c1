"""The commands that look at configs, as people call them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from opencompass_ops.cli import main
from small_world import DATASETS, SmallWorld, make_world

pytestmark = pytest.mark.process

HASHED = DATASETS.replace("datasets = ", "sums_datasets = ")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWorld]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    monkeypatch.delenv("OPENCOMPASS_OPS_OPENCOMPASS_DIR", raising=False)
    yield from make_world(tmp_path, monkeypatch)


def test_prompt_hash_prints_a_line_per_dataset_of_many_files_and_names_the_broken(
    world: SmallWorld, capsys: pytest.CaptureFixture[str]
):
    good, part = world.config(), world.config(HASHED, name="sums_gen_000000")
    broken, empty = world.config("a = = 1", name="broken"), world.config("a = 1", name="empty")
    assert main(["prompt-hash", good, part]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1:] for line in lines] == [["sums", good], ["sums", part]]
    assert lines[0].split()[0] == lines[1].split()[0] != "000000"
    assert main(["prompt-hash", broken, empty, good]) == 1
    captured = capsys.readouterr()
    assert captured.out.splitlines() == lines[:1]
    assert "broken.py:1: syntax error" in captured.err
    assert "empty.py: describes no dataset; its keys are: a" in captured.err


def test_prompt_hash_checks_the_hash_in_a_files_name(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    wrong = world.config(HASHED, name="sums_gen_000000")
    assert main(["prompt-hash", "--check", wrong]) == 1
    captured = capsys.readouterr()
    digits = captured.out[:6]
    assert f"its prompts have the hash {digits}; call it sums_gen_{digits}.py" in captured.err
    assert main(["prompt-hash", "--check", world.config(HASHED, name=f"sums_gen_{digits}")]) == 0


def test_config_prints_what_a_config_says_as_json_and_as_a_config(
    world: SmallWorld, capsys: pytest.CaptureFixture[str]
):
    path = world.config(None, ("abbr='tiny'", "api_key='sk-aaaaaaaaaaaa', abbr='tiny'"))
    assert main(["config", path, "--json", "--cfg-options", "models.0.batch_size=7"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [model["batch_size"] for model in shown["models"]] == [7]
    assert shown["models"][0]["api_key"] == "***"
    assert list(shown) == ["models", "datasets"]
    assert main(["config", path]) == 0
    again = world.config(capsys.readouterr().out, name="again")
    assert main(["config", again, "--json", "--model-override", "path=/b,abbr=b"]) == 0
    assert [model["abbr"] for model in json.loads(capsys.readouterr().out)["models"]] == ["b"]


def test_lint_says_of_every_file_what_would_fail_and_fails_itself(
    world: SmallWorld, capsys: pytest.CaptureFixture[str]
):
    good = world.config()
    gone = world.config(None, ("data/sums", "data/soms"), ("/tiny'", "/gone'"), name="gone")
    twins = world.config(None, ("datasets = [", "models += [dict(models[0], path='x')]\ndatasets = ["), name="twins")
    part = world.config(HASHED.replace("data/sums", "data/soms"), name="sums_gen")
    assert main(["lint", good]) == 0
    assert capsys.readouterr().out == f"{good}: ok (1 models, 1 datasets)\n"
    assert main(["lint", good, gone, twins, part]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(good)] == [f"{good}: ok (1 models, 1 datasets)"]
    assert any(f"{gone}: error: model tiny: model folder {world.folder}/gone does not exist" in line for line in lines)
    assert any(f"{gone}: error: dataset sums: {world.folder}/data/soms does not exist" in line for line in lines)
    assert any(f"{twins}: error: models share an abbr: tiny (2 times)" in line for line in lines)
    assert any(f"{part}: error: dataset sums: {world.folder}/data/soms does not exist" in line for line in lines)
    assert main(["lint", "--no-files", "--json", gone]) == 0
    (looked,) = json.loads(capsys.readouterr().out)
    assert looked == {"file": gone, "ok": True, "models": 1, "datasets": 1, "findings": []}


def test_a_wrong_section_hides_neither_the_other_nor_what_is_missing(
    world: SmallWorld, capsys: pytest.CaptureFixture[str]
):
    sections = (
        "infer = dict(runner=dict(type='DLCRunner', aliyun_cfg=dict(workspace_id='w', worker_image='i')))\n"
        "eval = dict(runner=dict(type='LocalRuner'))\n"
        "models[0]['run_cfg'] = dict(num_gpu=1)\n"
    )
    lost = world.config(None, ("data/sums", "data/soms"), ("/tiny'", "/gone'"), name="lost")
    Path(lost).write_text(Path(lost).read_text() + sections)
    assert main(["lint", lost]) == 1
    said = capsys.readouterr().out
    assert "aliyun_cfg of the config's runner lacks settings of PAI-DLC; add resource_id: " in said
    assert "eval.runner: LocalRuner cannot be obeyed" in said
    assert "model tiny: run_cfg" in said
    assert f"model tiny: model folder {world.folder}/gone does not exist" in said
    assert f"dataset sums: {world.folder}/data/soms does not exist" in said


def test_a_bare_name_that_nobody_defines_is_told_once(
    world: SmallWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    package = world.folder / "unpacked" / "opencompass"
    (package / "configs").mkdir(parents=True)
    (package / "classes.py").write_text("class GenInferencer: ...\nclass HuggingFaceBaseModel: ...\n")
    monkeypatch.setenv("OPENCOMPASS_OPS_OPENCOMPASS_DIR", str(package.parent))
    odd = world.config(name="odd")
    Path(odd).write_text(
        Path(odd).read_text() + "datasets[0]['infer_cfg']['inferencer'] = dict(type='GenInferenzer')\n"
    )
    assert main(["lint", odd]) == 1
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "GenInferenzer" in line]
    assert line.endswith(
        f"error: dataset sums: {package.resolve()} defines no GenInferenzer; did you mean GenInferencer?"
    )


def test_lint_looks_at_clusters_and_needs_a_name_that_is_known(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    folder = Path(world.config()).parent / "clusters"
    folder.mkdir(exist_ok=True)
    (folder / "odd.py").write_text("kind = 'slurm'\nnonsense = 1\n")
    assert main(["lint", str(folder / "odd.py")]) == 1
    assert "nonsense" in capsys.readouterr().out
    assert main(["lint", "no_such_config"]) == 2
    assert "config 'no_such_config' not found" in capsys.readouterr().err
