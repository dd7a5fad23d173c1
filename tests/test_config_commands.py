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


def test_bare_and_dotted_names_that_nobody_has_are_told_once_each(
    world: SmallWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    package = world.folder / "unpacked" / "opencompass"
    (package / "configs").mkdir(parents=True)
    (package / "classes.py").write_text(
        "@ICL_INFERENCERS.register_module()\nclass GenInferencer(Base): ...\n"
        "@ICL_EVALUATORS.register_module(force=True)\nclass OddEvaluator: ...\nclass LooseEvaluator: ...\n"
        "@TEXT_POSTPROCESSORS.register_module('first-letter')\ndef first_letter_postprocess(text): ...\n"
    )
    monkeypatch.setenv("OPENCOMPASS_OPS_OPENCOMPASS_DIR", str(package.parent))
    odd = world.config(name="odd")
    Path(odd).write_text(
        Path(odd).read_text() + "datasets[0]['infer_cfg']['inferencer'] = dict(type='GenInferenzer')\n"
        "datasets[0]['eval_cfg'] = dict(\n"
        "    evaluator=dict(type='LooseEvaluator', pred_postprocessor=dict(type='first-leter')),\n"
        "    pred_postprocessor=dict(type='opencompass.utils.first_letter_postproces'))\n"
        "datasets.append(dict(datasets[0], abbr='more', path='data/more'))\n"
    )
    assert main(["lint", odd]) == 1
    here = package.resolve()
    assert sorted(line.removeprefix(f"{odd}: ") for line in capsys.readouterr().out.splitlines()) == [
        f"error: 2 datasets (sums, more): eval_cfg.evaluator (LooseEvaluator): {here} registers no evaluator "
        "LooseEvaluator; it is defined there, so import it, or write its dotted name",
        "error: 2 datasets (sums, more): eval_cfg.evaluator.pred_postprocessor (first-leter): "
        f"{here} registers no post-processor first-leter; did you mean first-letter?",
        f"error: 2 datasets (sums, more): infer_cfg.inferencer (GenInferenzer): {here} registers no inferencer "
        "GenInferenzer; did you mean GenInferencer?",
        f"error: dataset more: {world.folder}/data/more does not exist; put the data there, or set data_dir to the "
        "folder that holds data/",
        f"error: datasets[0].eval_cfg.pred_postprocessor (opencompass.utils.first_letter_postproces): {here} "
        "defines no first_letter_postproces; did you mean first_letter_postprocess?",
    ]


def test_every_fault_of_every_section_is_told_in_one_look(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    faults = (
        "models[0].update(batch_sise=2)\n"
        "models.append(dict(abbr='b', path='/b'))\n"
        "datasets[0].pop('reader_cfg')\ndatasets[0]['infer_cfg'].pop('retriever')\n"
        "infer = dict(partitioner=dict(type='SizePartitioner', max_task_size=0), runner=dict(type='LocalRunner', "
        "max_num_workers=0))\n"
        "eval = dict(runner=dict(type='LocalRuner', retry=-1))\n"
        "summarizer = dict(summary_groups=[dict(name='g', subsets=['sums', 'soms'], weights=dict(soms=0)), dict("
        "subsets=['sums'])])\n"
    )
    lost = world.config(name="lost")
    Path(lost).write_text(Path(lost).read_text() + faults)
    for options in ([], ["--no-files"]):
        assert main(["lint", *options, lost]) == 1
        said = capsys.readouterr().out
        for fault in (
            "warning: model tiny: 'batch_sise' of HuggingFaceBaseModel is read by nothing; did you mean 'batch_size'?",
            "error: models[1] (b) has no type",
            "error: dataset sums has no reader_cfg",
            "error: dataset sums has no infer_cfg.retriever with a type",
            "error: infer.partitioner: max_task_size of SizePartitioner is 0",
            "error: infer.runner.max_num_workers is 0",
            "error: eval.runner: LocalRuner cannot be obeyed",
            "error: eval.runner.retry is -1",
            "error: summary group 'g': weights {'soms': 0} must map subsets to numbers whose sum is not 0",
            "error: summary group {'subsets': ['sums']} needs 'name' and 'subsets'",
        ):
            assert fault in said, fault


def test_names_that_a_summarizer_has_alone_draw_warnings(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    path = world.config(name="table")
    Path(path).write_text(
        Path(path).read_text() + "summarizer = dict(dataset_abbrs=['--- Sums ---', 'sums', 'sumz', ['all', 'a'], 'x'],"
        " summary_groups=[dict(name='all', subsets=['sums', 'sms']), dict(name='no', subsets=['y', 'z'])])\n"
    )
    assert main(["lint", path]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{path}: warning: summarizer.dataset_abbrs: rows of dashes for sumz (did you mean sums?), x",
        f"{path}: warning: summary group 'all' gets no value, because 1 of its 2 subsets are none of this config: "
        "sms (did you mean sums?)",
        f"{path}: ok (1 models, 1 datasets)",
    ]


def test_data_that_many_datasets_miss_are_told_once_with_their_number_and_what_gets_them(
    world: SmallWorld, capsys: pytest.CaptureFixture[str]
):
    many = (
        "datasets = [dict(datasets[0], type='MMLUDataset', abbr=f'mmlu_{n}', name=f'n{n}', path='opencompass/mmlu')"
        " for n in range(5)]\n"
    )
    path = world.config(name="many")
    Path(path).write_text(Path(path).read_text() + many)
    assert main(["lint", path]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    place = f"{world.folder}/data/mmlu"
    assert line.startswith(
        f"{path}: error: 5 datasets (mmlu_0, mmlu_1, mmlu_2 and 2 more): {place} does not exist; get it with: cd "
    )
    assert "mmlu.zip" in line
    (world.folder / "data" / "mmlu" / "dev").mkdir(parents=True)
    assert main(["run", path]) == 2
    said = capsys.readouterr().err
    assert said.count("mmlu.zip -d data") == 1
    assert f"5 datasets (mmlu_0, mmlu_1, mmlu_2 and 2 more): {place}/dev/n0_dev.csv cannot be read" in said


def test_lint_looks_at_clusters_and_needs_a_name_that_is_known(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    folder = Path(world.config()).parent / "clusters"
    folder.mkdir(exist_ok=True)
    (folder / "odd.py").write_text("kind = 'slurm'\nnonsense = 1\n")
    assert main(["lint", str(folder / "odd.py")]) == 1
    assert "nonsense" in capsys.readouterr().out
    assert main(["lint", "no_such_config"]) == 2
    assert "config 'no_such_config' not found" in capsys.readouterr().err


def test_config_shows_a_part_as_it_is_by_path_or_name(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    path = Path(world.config(HASHED, name="sums_gen"))
    assert main(["config", str(path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [dataset["abbr"] for dataset in shown["sums_datasets"]] == ["sums"]
    folder = path.parent / "datasets"
    folder.mkdir(exist_ok=True)
    path.rename(folder / path.name)
    assert main(["config", "sums_gen", "--json", "--cfg-options", "sums_datasets.0.abbr=other"]) == 0
    assert json.loads(capsys.readouterr().out)["sums_datasets"][0]["abbr"] == "other"


def test_an_extension_that_cannot_be_read_is_told_of_every_part_that_needs_it(
    world: SmallWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENCOMPASS_OPS_EXTENSIONS", "no_such_house")
    assert main(["lint", world.config()]) == 1
    said = capsys.readouterr().out
    assert "dataset sums: no_such_house of $OPENCOMPASS_OPS_EXTENSIONS cannot be imported" in said
    assert "the probe on this host ended" not in said
