"""run.py and what it plans: each stage where the config wants it, commands first, red when anything failed."""

from __future__ import annotations

import functools
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import opencompass_ops.resolved
from opencompass_ops.cli import main
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import EVAL, INFER
from opencompass_ops.errors import ConfigError, PlanError
from opencompass_ops.jobs import build_request, job_for
from opencompass_ops.resolved import load_cluster
from repeat_cases import write_tokenizer
from small_world import DATASETS, MODEL, SmallWorld, make_world

pytestmark = pytest.mark.process

SECTIONS = """
infer = dict(
    partitioner=dict(type='opencompass.partitioners.SizePartitioner', max_task_size=1000),
    runner=dict(type='opencompass.runners.SlurmRunner', max_num_workers=16, retry=4, partition='llmeval',
                quotatype='auto'))
eval = dict(
    partitioner=dict(type='opencompass.partitioners.NaivePartitioner'),
    runner=dict(type='opencompass.runners.LocalRunner', max_num_workers=3, retry=1))
"""
SLURM = "kind = 'slurm'\npython = {python!r}\nwork_dir = {work_dir!r}\ndata_dir = {data_dir!r}\nhas_quotatype = True\n"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWorld]:
    monkeypatch.setenv("OPENCOMPASS_OPS_INSTANCE", "front-door")
    monkeypatch.setattr(opencompass_ops.resolved, "load_cluster", functools.cache(load_cluster))  # a process each
    for world in make_world(tmp_path, monkeypatch):
        text = SLURM.format(python=sys.executable, work_dir=str(tmp_path / "outputs"), data_dir=str(tmp_path))
        (tmp_path / "configs" / "clusters" / "slurm.py").write_text(text)
        world.rows(120)
        yield world


def with_sections(world: SmallWorld, sections: str = SECTIONS) -> str:
    return world.config(MODEL.format(path=str(world.folder / "tiny")) + DATASETS + sections)


def test_a_plan_has_each_stage_where_and_as_its_section_says(world: SmallWorld):
    plan = world.prepare(with_sections(world)).plan
    assert [shard.cluster for shard in plan.shards] == ["slurm"] * 3  # 120 rows at 20 in shards of 1,000
    assert [shard.cluster for shard in plan.evaluations] == ["local"]
    infer, evaluation = plan.stage(INFER), plan.stage(EVAL)
    assert (infer.max_num_workers, infer.retry, infer.cluster["resources"]["partition"]) == (16, 4, "llmeval")
    assert (evaluation.cluster["name"], evaluation.max_num_workers, evaluation.retry) == ("local", 3, 1)
    jobs = [job_for(plan.run_dir, shard.id) for shard in (plan.shards[0], plan.evaluations[0])]
    assert [(job.config.kind, job.max_running) for job in jobs] == [("slurm", 16), ("local", 3)]
    assert build_request(jobs[0]).resources.partition == "llmeval"


def test_a_named_cluster_replaces_the_sections_and_their_partitioner(world: SmallWorld):
    plan = world.prepare(with_sections(world), cluster="local", dry_run=True).plan
    assert {shard.cluster for shard in (*plan.shards, *plan.evaluations)} == {"local"}
    assert len(plan.shards) == 1
    assert (plan.stage(INFER).max_num_workers, plan.stage(EVAL).retry) == (1, 2)
    assert "the config's infer section is replaced, because a cluster was named" in plan.warnings


def test_a_dry_run_shows_the_very_commands_of_both_stages(world: SmallWorld):
    prepared = world.prepare(with_sections(world), dry_run=True)
    shown = dict(zip(*[iter(prepared.text[prepared.text.index("command of ") :].splitlines())] * 2, strict=False))
    first, last = prepared.plan.shards[0].id, prepared.plan.evaluations[0].id
    infer, evaluation = (shlex.split(shown[f"command of {shard}:"].partition("#")[0]) for shard in (first, last))
    assert infer[:2] == ["sbatch", "--parsable"]
    assert {"--partition=llmeval", "--quotatype=auto", f"--chdir={prepared.run_dir}"} <= set(infer)
    assert infer[-1].endswith("/slurm.sh")
    spec = f"{prepared.run_dir}/{layout.shard_spec(last)}"
    assert evaluation[1:5] == ["-m", "inference", "eval", spec]
    assert world.runs() == []


def test_dlc_is_refused_by_name_once_its_settings_are_complete(world: SmallWorld):
    (world.folder / "aliyun.py").write_text(
        "workspace_id='1'\nresource_id='q'\nworker_image='i'\ndata_sources=['d']\npython_env_path='/env'\n"
    )
    with pytest.raises(ConfigError, match="clusters of the kind dlc are not built yet; run on Slurm"):
        world.prepare(world.config(), cluster="dlc", aliyun_cfg="aliyun.py")
    with pytest.raises(ConfigError, match="there is no such file with the settings of PAI-DLC"):
        world.prepare(world.config(), cluster="dlc", aliyun_cfg="nowhere.py")


def test_a_partitioner_that_splits_scores_is_refused_before_anything_is_looked_at(world: SmallWorld):
    section = "eval = dict(partitioner=dict(type='opencompass.partitioners.SizePartitioner', max_task_size=2000))"
    with pytest.raises(ConfigError, match=r"eval\.partitioner: SizePartitioner would split datasets"):
        world.prepare(with_sections(world, section))


def test_an_image_needs_a_cluster_that_runs_containers(world: SmallWorld):
    with pytest.raises(ConfigError, match=r"image='x\.sif': jobs of cluster 'local' run in no container"):
        world.prepare(world.config(), image="x.sif")


def test_details_are_left_out_of_results_on_request(world: SmallWorld):
    world.rows(4)
    prepared, report = world.evaluate(world.config(), dump_eval_details=False)
    assert not report.failures
    assert "details" not in LocalFiles(prepared.run_dir).read(layout.result("tiny", "sums")).decode()


def test_a_station_gets_each_score_once_unless_it_shall_be_overwritten(world: SmallWorld):
    world.rows(40)
    said = {"max_partition_size": 400, "station_path": "station"}
    first, _ = world.evaluate(world.config(), **said)
    file = world.folder / "station" / "sums" / "tiny.json"
    entry = json.loads(file.read_text())
    assert entry["results"] == json.loads(LocalFiles(first.run_dir).read(layout.result("tiny", "sums")))
    assert [answer["prediction"] for answer in entry["predictions"]] == [str(n + 1) for n in range(40)]
    assert (entry["cfg"]["models"]["abbr"], entry["cfg"]["datasets"]["abbr"]) == ("tiny", "sums")
    file.write_text("{}")
    world.evaluate(world.config(), **said)
    assert file.read_text() == "{}"
    world.evaluate(world.config(), **said, station_overwrite=True)
    assert json.loads(file.read_text()) == entry


def test_the_station_of_the_config_holds_where_the_request_names_none(world: SmallWorld):
    config = world.config(None, ("datasets = ", "station_path = 'theirs'\ndatasets = "))
    world.evaluate(config)
    assert (world.folder / "theirs" / "sums" / "tiny.json").is_file()
    world.evaluate(config, station_path="ours")
    assert (world.folder / "ours" / "sums" / "tiny.json").is_file()
    with pytest.raises(ConfigError, match="station_path is 3; write a folder's path"):
        world.prepare(world.config(None, ("datasets = ", "station_path = 3\ndatasets = ")))


def test_answers_that_repeat_themselves_are_reported_on_request_also_of_a_run_that_exists(world: SmallWorld):
    write_tokenizer(world.folder / "words")
    config = world.config(None, ("max_out_len=4", "max_out_len=4, tokenizer_path='words'"))
    first, report = world.evaluate(config)
    assert not any("repetition" in note for note in report.notes)
    _, report = world.evaluate(config, mode="viz", reuse=first.run_dir.name, analysis_repeat=True)
    assert report.failures == ()
    assert any(note.startswith("repetition in sums: 120 answers of 1 tokens") for note in report.notes), report.notes
    (path,) = [path for path in report.files if "repeat_analysis" in path]
    assert json.loads(LocalFiles(first.run_dir).read(path))["summary"]["num_samples"] == 120


def test_a_checkpoint_and_a_file_of_rows_are_evaluated_without_any_config(
    world: SmallWorld, capsys: pytest.CaptureFixture[str]
):
    rows = [{"question": f"{n}+1=", "answer": str(n + 1)} for n in range(5)]
    (world.folder / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = ["--hf-path", str(world.folder / "tiny"), "--hf-type", "base", "--hf-num-gpus", "0", "--max-out-len", "4"]
    assert main(["run", *said, "--custom-dataset-path", str(world.folder / "mine.jsonl")]) == 0
    assert "tiny_hf/mine: done" in capsys.readouterr().out
    (run_dir,) = world.runs()
    assert json.loads(LocalFiles(run_dir).read(layout.result("tiny_hf", "mine")))["accuracy"] == 100.0


def test_the_demo_of_the_user_guide_is_planned_from_data_in_opencompass_layout(
    world: SmallWorld, monkeypatch: pytest.MonkeyPatch, repo: Path
):
    monkeypatch.setenv("OPENCOMPASS_OPS_CONFIG_DIR", str(repo / "include" / "configs"))
    siqa, winograd = world.folder / "data" / "siqa", world.folder / "data" / "winograd_wsc" / "wsc285"
    for folder in (siqa, winograd):
        folder.mkdir(parents=True)
    for split in ("train", "dev"):
        row = {"context": "c", "question": "q", "answerA": "x", "answerB": "y", "answerC": "z"}
        (siqa / f"{split}.jsonl").write_text((json.dumps(row) + "\n") * 3)
        (siqa / f"{split}-labels.lst").write_text("1\n2\n3\n")
    schema = {"text": "A and B. It fell.", "options": ["A", "B"], "label": 0, "pronoun": "It", "quote": "It fell."}
    (winograd / "test.jsonl").write_text((json.dumps(schema) + "\n") * 2)
    overrides = [{"path": str(world.folder / "tiny")}]
    plan = world.prepare("eval_demo", model_overrides=overrides, dry_run=True, cluster="local").plan
    shown = {dataset.abbr: (dataset.mode, dataset.rows, dataset.version) for dataset in plan.datasets}
    assert shown == {"siqa": ("gen", 3, "18632c"), "winograd": ("ppl", 2, "b6c7ed")}
    assert {pair.engine for pair in plan.pairs} == {"native"}


def test_run_py_is_the_command_line_and_fails_when_anything_failed(world: SmallWorld, repo: Path):
    command = [sys.executable, str(repo / "run.py"), world.config(), "--retry", "0", "-r", "--min-out-len", "1"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PYTHONPATH"] = str(repo)
    world.rows(4)
    (world.folder / "fail-tiny").touch()
    failed = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert failed.returncode == 1, failed.stderr
    assert "this job was told to fail" in failed.stderr
    assert "holds no run; this is a new one" in failed.stdout
    assert "warning: --min-out-len (min_out_len) has no effect" in failed.stdout
    (world.folder / "fail-tiny").unlink()
    again = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert again.returncode == 0, again.stderr
    assert len(world.runs()) == 1  # -r went on in the folder of the first


def test_a_work_dir_that_is_a_file_is_refused_at_the_border(world: SmallWorld):
    (world.folder / "taken").write_text("")
    for place in ("taken", "taken/deeper"):
        with pytest.raises(PlanError, match=rf"work dir .*/{place} cannot be used: .*/taken is a file; name a folder"):
            world.prepare(world.config(), work_dir=place, dry_run=True)


def test_a_reuse_that_finds_nothing_is_told_in_the_plan(world: SmallWorld):
    plan = world.prepare(world.config(), reuse="latest", dry_run=True).plan
    assert f"reuse=latest: nothing is reused, because {world.work_dir} holds no run; this is a new one" in plan.warnings
    (world.work_dir / "20260102_030405").mkdir(parents=True)
    plan = world.prepare(world.config(), reuse="20260102_030405", dry_run=True).plan
    assert any("030405 holds neither predictions nor results" in warning for warning in plan.warnings)
    with pytest.raises(PlanError, match=r"reuse='20260102_030406' is no run of .*; there are: 20260102_030405"):
        world.prepare(world.config(), reuse="20260102_030406", dry_run=True)


def test_what_no_cluster_of_a_run_knows_is_told_by_kind_and_not_by_name(world: SmallWorld):
    world.cluster("box")
    plan = world.prepare(world.config(), cluster="box", max_workers_per_gpu=2, aliyun_cfg="a.py", dry_run=True).plan
    (told,) = [warning for warning in plan.warnings if "has no effect" in warning]
    assert told.startswith("--aliyun-cfg (aliyun_cfg) has no effect: it is for clusters of the kind dlc, and this run")
    plan = world.prepare(world.config(), cluster="slurm", max_workers_per_gpu=2, dry_run=True).plan
    assert any(warning.startswith("--max-workers-per-gpu (max_w") for warning in plan.warnings)
    plan = world.prepare(world.config(), partition="p", eval_cluster="slurm", dry_run=True).plan
    assert plan.stage(EVAL).cluster["resources"] == {"partition": "p"}
    assert "partition" not in plan.stage(INFER).cluster["resources"]
    world.cluster("slurm")  # a local one of that name
    plan = world.prepare(world.config(), partition="p", eval_cluster=None, dry_run=True).plan
    assert any(warning.startswith("--partition (partition) has no effect") for warning in plan.warnings)


def test_debug_plans_for_one_job_at_a_time(world: SmallWorld):
    plan = world.prepare(with_sections(world), debug=True, dry_run=True).plan
    assert (plan.stage(INFER).max_num_workers, plan.stage(EVAL).max_num_workers) == (1, 1)
