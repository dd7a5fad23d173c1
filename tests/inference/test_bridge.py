"""What the bridge makes of OpenCompass's task modules, with a stand-in for OpenCompass that has its ways."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from inference.bridge.parameters import eval_parameters, infer_parameters
from inference.bridge.process import _failure, count_processes
from inference.ranges import select
from opencompass_ops.contract import evidence, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import EVAL, INFER, OPENCOMPASS, Part, ShardSpec

# Like OpenCompass's: skips a file that exists, goes on behind the lines of its journal, ends well without all it should
# have written. Waits while "hold" is there, and fails or leaves rows out where it is told to.
INFER_TASK = """
import json, os, runpy, sys, time
from pathlib import Path
cfg = runpy.run_path(sys.argv[1])
told = Path({folder!r})
rank = os.environ.get("RANK", "")
(told / ("environment" + rank + ".json")).write_text(json.dumps(dict(os.environ)))
if rank not in ("", "0"):
    sys.exit()
print("Starting inference process...", flush=True)
for dataset in cfg["datasets"][0]:
    place = Path(cfg["work_dir"], "predictions", cfg["models"][0]["abbr"])
    place.mkdir(parents=True, exist_ok=True)
    out = place / (dataset["abbr"] + ".json")
    out.parent.mkdir(parents=True, exist_ok=True)
    journal = out.with_name("tmp_" + out.name + "l")
    if out.exists():
        continue
    rows = list(range(20))
    rows = eval("rows" + (dataset["reader_cfg"].get("test_range") or ""))
    done = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    for number in range(len(done), len(rows)):
        while (told / "hold").exists() and number >= 2:
            time.sleep(0.02)
        if (told / "fail").exists():
            raise eval((told / "fail").read_text())
        done.append({{"idx": str(number), "origin_prompt": str(rows[number]), "prediction": str(rows[number])}})
        with journal.open("a") as stream:
            stream.write(json.dumps(done[-1]) + "\\n")
    if (told / "forget").exists():
        done.pop()
    body = {{line.pop("idx"): line for line in done}}
    out.write_text(json.dumps(body, indent=4))
    journal.unlink()
"""
EVAL_TASK = """
import json, runpy, sys
from pathlib import Path
cfg = runpy.run_path(sys.argv[1])
dataset, model = cfg["datasets"][0][0], cfg["models"][0]["abbr"]
found = json.loads(Path(cfg["work_dir"], "predictions", model, dataset["abbr"] + ".json").read_text())
said = json.loads(Path({folder!r}, "result").read_text())
if said is None:
    sys.exit()
correct = [int(entry["prediction"]) % 2 == 0 for entry in found.values()]
said.setdefault("details", [{{"pred": [entry["prediction"]], "answer": ["?"], "correct": [even]}}
                            for entry, even in zip(found.values(), correct)])
place = Path(cfg["work_dir"], "results", model)
place.mkdir(parents=True, exist_ok=True)
(place / (dataset["abbr"] + "_judge.json")).parent.mkdir(parents=True, exist_ok=True)
(place / (dataset["abbr"] + "_judge.json")).write_text("{{}}")
(place / (dataset["abbr"] + ".json")).write_text(json.dumps(said))
"""


def part(start=0, stop=20, index=None, total=20, **reader):
    dataset = {
        "abbr": "odd",
        "type": "OddDataset",
        "path": "./data/odd",
        "reader_cfg": reader,
        "infer_cfg": {"inferencer": {"type": "GenInferencer"}},
        "eval_cfg": {"evaluator": {"type": "OddEvaluator"}},
    }
    return Part(dataset, index, start, stop, total, f"fingerprint-{start}-{stop}", "pair")


def shard(folder, *parts, kind=INFER, rows=20, **model):
    return ShardSpec(
        id=f"{kind}-0000-abcdef",
        kind=kind,
        model={"abbr": "m", "type": "OddModel", "path": "odd-1", **model},
        parts=parts or (part(),),
        evaluation_fingerprint="evaluation",
        data_dir=str(folder),
        options={"rows": {"odd": rows}},
        engine=OPENCOMPASS,
    )


class World:
    """A run directory, and an interpreter that has the stand-in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = LocalFiles(folder / "run")
        tasks = folder / "site" / "opencompass" / "tasks"
        tasks.mkdir(parents=True)
        (tasks.parent / "__init__.py").write_text("")
        (tasks / "openicl_infer.py").write_text(INFER_TASK.format(folder=str(folder)))
        (tasks / "openicl_eval.py").write_text(EVAL_TASK.format(folder=str(folder)))
        info = folder / "site" / "opencompass-0.0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: opencompass\nVersion: 0.0.1\n")
        (folder / "data").mkdir()

    def tell(self, name: str, text: str = "") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self, spec: ShardSpec, token: str = "t1", **environment: str) -> subprocess.Popen[bytes]:
        self.files.write(layout.shard_spec(spec.id), spec.to_json())
        site = [str(self.folder / "site")] if (self.folder / "site").exists() else []
        path = os.pathsep.join([*site, *sys.path])
        words = [spec.kind, str(self.files.path(layout.shard_spec(spec.id)))]
        return subprocess.Popen(
            [sys.executable, "-m", "inference", *words, "--run-dir", str(self.files.root), "--token", token],
            env={**os.environ, "PYTHONPATH": path, **environment},
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def run(self, spec: ShardSpec, token: str = "t1", **environment: str):
        job = self.start(spec, token, **environment)
        log, _ = job.communicate(timeout=60)
        return evidence.read_exit(self.files, token), log.decode()

    def prediction(self, name: str = "odd"):
        return json.loads(self.files.read(layout.prediction("m", name)))


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@pytest.mark.process
def test_parts_that_opencompass_answers_have_the_records_of_native_ones(world):
    spec = shard(world.folder, part(0, 12, 0), part(12, 20, 1))
    record, log = world.run(spec)
    assert (record.returncode, record.error) == (0, "")
    assert evidence.job_problem(world.files, spec, "t1") == ""
    assert [entry["prediction"] for entry in world.prediction("odd_1").values()] == [str(n) for n in range(12, 20)]
    assert "Starting inference process" in log
    assert evidence.read_heartbeat(world.files, "t1").done == 20
    assert world.files.list("predictions/m") == [f"odd_{n}{end}.json" for n in (0, 1) for end in ("", ".manifest")]


@pytest.mark.process
def test_names_with_slashes_are_folders_in_which_work_goes_on(world):
    pieces = [replace(piece, dataset={**piece.dataset, "abbr": "a/odd"}) for piece in (part(0, 12, 0), part(12, 20, 1))]
    spec = replace(shard(world.folder, *pieces, abbr="org/m"), options={"rows": {"a/odd": 20}})
    world.files.write("predictions/org/m/a/tmp_odd_0.owner", pieces[0].fingerprint)
    begun = '{"idx": "0", "origin_prompt": "0", "prediction": "100"}\n'
    world.files.write("predictions/org/m/a/tmp_odd_0.jsonl", begun)
    record, log = world.run(spec)
    assert record.returncode == 0, log
    answers = json.loads(world.files.read("predictions/org/m/a/odd_0.json"))
    assert [answers[key]["prediction"] for key in ("0", "1")] == ["100", "1"]
    world.tell("result", '{"score": 50.0}')
    spec = replace(spec, id="eval-0000-abcdef", kind=EVAL)
    record, log = world.run(spec, "t2")
    assert record.returncode == 0, log
    assert evidence.job_problem(world.files, spec, "t2") == ""
    assert world.files.exists("results/org/m/a/odd_judge.json")


@pytest.mark.process
def test_a_checkpoint_that_changed_since_the_plan_answers_nothing(world):
    record, _ = world.run(replace(shard(world.folder), weights_id="sha256:of-the-plan"))
    assert "changed since the plan" in record.error
    assert not record.retryable


@pytest.mark.process
def test_the_task_finds_data_by_opencompass_name_for_it_and_not_our_packages(world):
    world.run(shard(world.folder))
    environment = json.loads((world.folder / "environment.json").read_text())
    assert environment["COMPASS_DATA_CACHE"] == str(world.folder)
    kept = environment["PYTHONPATH"].split(os.pathsep)
    assert not [folder for folder in kept if (Path(folder) / "inference" / "__init__.py").exists()]
    linked = world.files.path(layout.workplace("infer-0000-abcdef", "data"))
    assert linked.resolve() == world.folder / "data"


@pytest.mark.process
def test_a_terminated_job_says_how_far_it_was_and_the_next_one_goes_on(world):
    hold, spec = world.tell("hold"), shard(world.folder)
    journal = world.files.path(layout.journal("m", "odd"))
    job = world.start(spec)
    until(lambda: journal.exists() and journal.read_text().count("\n") == 2)
    until(lambda: (beat := evidence.read_heartbeat(world.files, "t1")) and (beat.done, beat.phase) == (2, "running"))
    job.send_signal(signal.SIGTERM)
    log, _ = job.communicate(timeout=60)
    assert evidence.read_exit(world.files, "t1").error_type == "Terminated"
    hold.unlink()
    with journal.open("a") as stream:
        stream.write('{"idx": "2", "predi')  # as a kill may leave it
    record, log = world.run(spec, "t2")
    assert record.returncode == 0, log
    assert [entry["prediction"] for entry in world.prediction().values()] == [str(number) for number in range(20)]


@pytest.mark.process
def test_files_of_another_request_are_set_aside(world):
    stale = {str(number): {"prediction": "stale"} for number in range(20)}
    world.files.write(layout.prediction("m", "odd"), json.dumps(stale))
    world.files.write(layout.journal("m", "odd"), '{"idx": "0", "prediction": "stale"}\n')
    record, log = world.run(shard(world.folder))
    assert record.returncode == 0, log
    assert world.prediction()["0"]["prediction"] == "0"
    assert "odd.json.bak" in world.files.list("predictions/m")


@pytest.mark.process
def test_a_file_that_a_killed_job_finished_is_taken_over_and_a_cut_one_is_not(world):
    spec = shard(world.folder, part(0, 12, 0), part(12, 20, 1))
    whole = {str(number): {"prediction": "kept"} for number in range(12)}
    for piece, body in zip(spec.parts, (json.dumps(whole), '{"0": {"predic'), strict=True):
        world.files.write(layout.owner("m", piece.name), piece.fingerprint)
        world.files.write(layout.prediction("m", piece.name), body)
    record, log = world.run(spec)
    assert record.returncode == 0, log
    assert world.prediction("odd_0")["0"]["prediction"] == "kept"
    assert world.prediction("odd_1")["0"]["prediction"] == "12"


@pytest.mark.process
@pytest.mark.parametrize(
    ("said", "error_type", "retryable"),
    [
        ("KeyError('column')", "KeyError", False),
        ("ConnectionResetError('by peer')", "ConnectionResetError", True),
        ("type('OutOfMemoryError', (RuntimeError,), {})('CUDA')", "OutOfMemoryError", True),
    ],
)
def test_what_the_task_raises_is_what_the_exit_record_says(world, said, error_type, retryable):
    world.tell("fail", said)
    record, _ = world.run(shard(world.folder))
    assert (record.error_type, record.retryable) == (error_type, retryable)
    assert record.returncode != 0


@pytest.mark.process
def test_a_task_that_ends_well_without_every_item_has_failed(world):
    world.tell("forget")
    record, _ = world.run(shard(world.folder))
    assert record.returncode != 0
    assert "does not hold the 20 items" in record.error


@pytest.mark.process
def test_an_interpreter_without_opencompass_says_what_to_name(world):
    (world.folder / "site").rename(world.folder / "elsewhere")
    record, _ = world.run(shard(world.folder))
    assert "has no OpenCompass" in record.error
    assert not record.retryable


@pytest.mark.process
def test_a_result_of_opencompass_has_samples_and_manifest_and_keeps_verdicts(world):
    world.run(shard(world.folder, part(0, 12, 0), part(12, 20, 1)))
    world.files.write(layout.prediction("m", "odd_2"), '{"0": {"prediction": "stale"}}')
    world.tell("result", '{"score": 50.0}')
    spec = shard(world.folder, part(0, 12, 0), part(12, 20, 1), kind=EVAL)
    record, log = world.run(spec, "t2")
    assert record.returncode == 0, log
    assert evidence.job_problem(world.files, spec, "t2") == ""
    samples = [json.loads(line) for line in world.files.read(layout.samples("m", "odd")).splitlines()]
    assert [sample["correct"] for sample in samples] == [number % 2 == 0 for number in range(20)]
    assert world.files.exists("results/m/odd_judge.json")


@pytest.mark.process
@pytest.mark.parametrize(
    ("result", "error"),
    [
        ('{"error": "no predictions"}', "evaluator says: no predictions"),
        ("null", "wrote no odd.json"),
    ],
)
def test_an_evaluation_without_a_score_has_failed_whatever_its_exit_code(world, result, error):
    world.run(shard(world.folder))
    world.tell("result", result)
    record, _ = world.run(shard(world.folder, kind=EVAL), "t2")
    assert record.returncode != 0
    assert error in record.error


@pytest.mark.parametrize(
    ("reader", "start", "stop", "total"),
    [
        ({}, 0, 20, 20),
        ({}, 5, 9, 20),
        ({"test_range": "[3:]"}, 0, 17, 17),
        ({"test_range": "[3:]"}, 2, 4, 17),
        ({"test_range": 7}, 0, 7, 7),
        ({"test_range": 7}, 2, 5, 7),
        ({"test_range": 0.5}, 0, 4, 10),
    ],
)
def test_opencompass_takes_the_rows_of_the_part_from_the_range_we_write(tmp_path, reader, start, stop, total):
    spec = shard(tmp_path, part(start, stop, 0, total, **reader))
    values: dict = {}
    exec(infer_parameters(spec, spec.parts, "/run"), values)
    (dataset,) = values["datasets"][0]
    said = dataset["reader_cfg"].get("test_range")
    index_list = list(range(20))  # OpenCompass's name, which its eval() finds
    taken = eval(f"index_list{said}") if isinstance(said, str) else select(said, len(index_list))
    assert taken == select(reader.get("test_range"), 20)[start:stop]
    assert dataset["abbr"] == "odd_0"


def test_the_evaluation_sees_the_rows_that_a_limit_leaves(tmp_path):
    values: dict = {}
    exec(eval_parameters(shard(tmp_path, part(0, 4, 0, 8), part(4, 8, 1, 8), kind=EVAL), "/work"), values)
    assert values["datasets"][0][0]["reader_cfg"]["test_range"] == "[0:8]"


def test_a_secret_is_read_from_the_environment_when_the_file_is(tmp_path, monkeypatch):
    spec = shard(tmp_path, key="ENV:JUDGE_KEY", temperature=float("nan"))
    text = infer_parameters(spec, spec.parts, "/run")
    assert "sk-" not in text
    monkeypatch.setenv("JUDGE_KEY", "sk-123")
    values: dict = {}
    exec(text, values)
    assert values["models"][0]["key"] == "sk-123"


@pytest.mark.process
@pytest.mark.model
def test_a_model_on_several_gpus_runs_as_many_processes_as_it_says_and_all_see_its_devices(world):
    model = {"type": "opencompass.models.HuggingFaceCausalLM", "run_cfg": {"num_gpus": 2, "num_procs": 2}}
    record, log = world.run(shard(world.folder, **model), CUDA_VISIBLE_DEVICES="3,7")
    assert record.returncode == 0, log
    for rank in (0, 1):
        seen = json.loads((world.folder / f"environment{rank}.json").read_text())
        assert (seen["CUDA_VISIBLE_DEVICES"], seen["LOCAL_RANK"], seen["WORLD_SIZE"]) == ("3,7", str(rank), "2")
    assert not (world.folder / "environment.json").exists()


@pytest.mark.process
def test_a_model_that_starts_its_processes_itself_is_started_once_with_all_devices(world):
    model = {"type": "opencompass.models.VLLM", "run_cfg": {"num_gpus": 2}}
    record, log = world.run(shard(world.folder, **model), CUDA_VISIBLE_DEVICES="3,7")
    assert record.returncode == 0, log
    seen = json.loads((world.folder / "environment.json").read_text())
    assert seen["CUDA_VISIBLE_DEVICES"] == "3,7"
    assert "RANK" not in seen


def test_torchrun_starts_what_opencompass_starts_with_it():
    assert count_processes({"type": "opencompass.models.HuggingFace"}, 2, 1) == 1
    assert count_processes({"type": "opencompass.models.HuggingFace"}, 1, 1) == 0
    assert count_processes({"type": "opencompass.models.VLLM"}, 8, 1) == 0


def test_the_last_thing_raised_names_the_failure_and_not_the_launcher():
    tail = (
        "Traceback (most recent call last):\n  File x\ntorch.OutOfMemoryError: CUDA out of memory. Tried\n"
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n"
    )
    assert _failure(1, tail).error_type == "OutOfMemoryError"
    assert "signal 9" in str(_failure(-9, tail))
