"""Beside OpenCompass itself: the bridge runs what we have no class for, and each reads the other's folders."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from opencompass_ops.configs.bases import PACKAGE_VARIABLE
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import OPENCOMPASS
from opencompass_ops.imports.ingest import ingest_folders
from opencompass_ops.imports.naming import Naming
from opencompass_ops.imports.reading import UNCHANGED
from opencompass_ops.results.store import Store
from opencompass_venv import XIEZHI, make_tiny_model, run_opencompass, write_xiezhi
from small_world import SmallWorld, make_world

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

MODELS = """
models = [dict(type='opencompass.models.HuggingFaceBaseModel', abbr='tiny', path={path!r}, max_out_len=8,
               max_seq_len=1024, batch_size=4, run_cfg=dict(num_gpus=0))]
"""
NATIVE = """from mmengine.config import read_base
with read_base():
    from opencompass.configs.datasets.gsm8k.gsm8k_gen_1d7fe4 import gsm8k_datasets
    from opencompass.configs.datasets.piqa.piqa_ppl_1cf9f0 import piqa_datasets
datasets = [*gsm8k_datasets, *piqa_datasets]
"""
VERBS = ("cook", "read", "walk", "sing", "swim", "jump", "draw", "play")


@pytest.fixture
def world(tmp_path, monkeypatch, opencompass_python, opencompass_package):
    """Where native jobs compute with a model, and others with OpenCompass."""
    monkeypatch.setenv(PACKAGE_VARIABLE, str(opencompass_package))
    for made in make_world(tmp_path, monkeypatch):
        (tmp_path / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        made.cluster(more=f"opencompass = dict(python={opencompass_python!r})\n")
        shutil.rmtree(tmp_path / "tiny")
        make_tiny_model(tmp_path / "tiny")
        yield made


def write_native(folder: Path) -> None:
    for name in ("gsm8k", "piqa"):
        (folder / "data" / name).mkdir(parents=True)
    for split in ("train", "test"):
        rows = [{"question": f"What is {n} + 2?", "answer": f"{n} + 2 = {n + 2}\n#### {n + 2}"} for n in range(6)]
        (folder / "data" / "gsm8k" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for split in ("train", "dev"):
        rows = [
            {"id": verb, "goal": f"How to {verb}?", "sol1": f"{verb} well", "sol2": f"never {verb}"} for verb in VERBS
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "data" / "piqa" / f"{split}.jsonl").write_text(text)
        labels = "".join(f"{number % 2}\n" for number in range(len(VERBS)))
        (folder / "data" / "piqa" / f"{split}-labels.lst").write_text(labels)


def config(world: SmallWorld, datasets: str) -> str:
    return world.config(datasets + MODELS.format(path=str(world.folder / "tiny")))


def results(run_dir: Path) -> dict[str, dict[str, Any]]:
    files = sorted((run_dir / "results" / "tiny").glob("*.json"))
    return {file.stem: json.loads(file.read_text()) for file in files if not file.stem.endswith(".manifest")}


def table(run_dir: Path) -> str:
    """The newest summary."""
    return max((run_dir / "summary").glob("*.csv")).read_text()


def test_a_config_without_any_class_of_ours_runs_end_to_end_and_not_twice(world: SmallWorld):
    write_xiezhi(world.folder)
    prepared, report = world.evaluate(config(world, XIEZHI))
    assert {shard.engine for shard in (*prepared.plan.shards, *prepared.plan.evaluations)} == {OPENCOMPASS}
    assert "engine: opencompass" in prepared.text
    assert not report.failures
    answers = json.loads(LocalFiles(prepared.run_dir).read(layout.prediction("tiny", "xiezhi-spec_eng")))
    assert len(answers) == 10
    # Three examples of the question's own kind, which only its retriever chooses.
    assert [entry["in-context examples"].count("Question: ") for entry in answers.values()] == [3] * 10
    again = world.prepare(config(world, XIEZHI))
    assert (again.plan.shards, again.plan.evaluations) == ((), ())


def test_opencompass_scores_and_tabulates_a_folder_of_ours_as_we_do(world: SmallWorld, opencompass_python: str):
    write_native(world.folder)
    path = config(world, NATIVE)
    prepared, _ = world.evaluate(path, max_num_workers=2)
    ours, theirs = prepared.run_dir, world.folder / "theirs" / prepared.run_dir.name
    shutil.copytree(ours, theirs)
    for made in ("results", "summary"):
        shutil.rmtree(theirs / made)
    again = ("-r", ours.name)
    plain = world.config(plain_config(prepared.run_dir), name="plain")
    run_opencompass(opencompass_python, plain, "-m", "eval", *again, "-w", str(theirs.parent), data_dir=world.folder)
    assert results(theirs) == results(ours)
    assert table(theirs) == table(ours)
    before = table(ours)
    run_opencompass(opencompass_python, plain, "-m", "viz", *again, "-w", str(ours.parent), data_dir=world.folder)
    assert len(list((ours / "summary").glob("*.csv"))) == 2
    assert table(ours) == before


def test_we_score_and_tabulate_a_folder_of_opencompass_as_it_does(world: SmallWorld, opencompass_python: str):
    write_native(world.folder)
    path = config(world, NATIVE)
    work_dir = world.folder / "outputs" / "default"
    plain = world.config(plain_config(world.prepare(path).run_dir), name="plain")
    shutil.rmtree(work_dir)
    run_opencompass(opencompass_python, plain, "-w", str(work_dir), data_dir=world.folder)
    (theirs,) = world.runs()
    scores, summary = results(theirs), table(theirs)
    viewed, _ = world.evaluate(path, mode="viz", reuse="latest", work_dir=str(work_dir))
    assert viewed.run_dir == theirs
    assert "taken by name from the reused folder" in viewed.text
    assert table(theirs) == summary
    for file in (theirs / "results" / "tiny").iterdir():
        file.unlink()
    scored, report = world.evaluate(path, mode="eval", reuse="latest", work_dir=str(work_dir))
    assert not report.failures
    assert results(scored.run_dir) == scores
    assert table(scored.run_dir) == summary


def test_every_number_of_a_table_that_opencompass_wrote_is_imported(world: SmallWorld, opencompass_python: str):
    write_native(world.folder)
    path = config(world, NATIVE)
    steps = ", ".join(f"{{**models[0], 'abbr': 'tiny-step-{step}'}}" for step in (200,))
    groups = "[dict(name='both', subsets=['gsm8k', 'piqa']), dict(name='spread', subsets=['gsm8k', 'both'], std=True)]"
    more = f"models = [*models, {steps}]\nsummarizer = dict(summary_groups={groups})\n"
    work_dir = world.folder / "outputs" / "default"
    text = plain_config(world.prepare(path).run_dir)
    assert "'max_out_len': 512" in text
    plain = world.config(text.replace("'max_out_len': 512", "'max_out_len': 4") + more, name="plain")
    shutil.rmtree(work_dir)
    run_opencompass(opencompass_python, plain, "-w", str(work_dir), "--debug", data_dir=world.folder)  # in one process
    (theirs,) = world.runs()
    with Store.open(world.url) as store:
        done = ingest_folders(store, [work_dir], Naming())
        again = ingest_folders(store, [work_dir], Naming())
        rows = store.history()
    assert done.left_out == []
    assert [run.state for run in again.runs] == [UNCHANGED]
    found = {(row.dataset, row.metric, row.model): row for row in rows}
    header, *lines = csv.reader(table(theirs).splitlines())
    cells = {
        (line[0], line[2], model): cell for line in lines for model, cell in zip(header[4:], line[4:], strict=True)
    }
    assert {dataset for dataset, _, _ in cells} == {"gsm8k", "piqa", "both", "spread"}
    assert len(cells) == len(lines) * 2
    assert cells == {key: f"{found[key].value:.2f}" for key in cells}
    versions = {line[0]: line[1] for line in lines if line[1] != "-"}
    assert versions == {name: found[name, "accuracy", "tiny"].version for name in versions}
    piqa, spread = found["piqa", "accuracy", "tiny-step-200"], found["spread", "standard_deviation", "tiny-step-200"]
    assert (piqa.series, piqa.step, piqa.n, spread.n) == ("tiny", 200, len(VERBS), len(VERBS) + 6)
    assert piqa.stderr is not None


def plain_config(run_dir: Path) -> str:
    """The config as we resolved it: OpenCompass resolves bases in its package only where it is installed as such."""
    (dumped, *_) = sorted((run_dir / "configs").iterdir())
    lines = dumped.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(("work_dir", "summarizer")))
