"""Real processes: killed and started again, and two that share a shard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from inference.heartbeat import Progress
from inference.infer import infer
from opencompass_ops.contract import layout
from opencompass_ops.contract.evidence import job_problem, part_problem, read_exit
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import Manifest

pytestmark = pytest.mark.model

TOKEN = "oc-abcdef-12345678-infer-0000-e1"


@pytest.fixture
def start(repo, tmp_path):
    """Start a shard's job as a cluster does, in ``tmp_path/job``."""
    files = LocalFiles(tmp_path / "job")
    environment = {**os.environ, "PYTHONPATH": f"{repo / 'plugins'}:{repo}", "OMP_NUM_THREADS": "1"}

    def launch(spec):
        files.write(layout.shard_spec(spec.id), spec.to_json())
        argv = [sys.executable, "-m", "inference", "infer", str(files.path(layout.shard_spec(spec.id)))]
        argv += ["--run-dir", str(files.root), "--token", TOKEN, "--job-id", "17"]
        return subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    launch.files = files
    return launch


@pytest.fixture
def undisturbed(tmp_path):
    """The predictions of a part, answered in this process."""
    import torch

    torch.set_num_threads(1)

    def answer(spec, part):
        files = LocalFiles(tmp_path / "undisturbed")
        infer(files, spec, TOKEN, Progress())
        return files.read(layout.prediction(spec.model_abbr, part.name))

    return answer


def manifest(files, part):
    return Manifest.from_json(files.read(layout.manifest(layout.prediction("tiny", part.name))))


def lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_a_shard_killed_midway_answers_only_the_rest(start, make_spec, gen_dataset, undisturbed):
    gen_dataset["infer_cfg"]["inferencer"] |= {"max_out_len": 150, "batch_size": 2}
    spec = make_spec(gen_dataset, model={"generation_kwargs": {"min_new_tokens": 150}})
    part = spec.parts[0]
    journal = start.files.path(layout.journal("tiny", part.name))
    first = start(spec)
    deadline = time.monotonic() + 60
    while lines(journal) < 4 and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    kept = lines(journal)
    assert 0 < kept < part.count
    assert read_exit(start.files, TOKEN) is None
    second = start(spec)
    said, _ = second.communicate(timeout=120)
    assert second.returncode == 0, said
    assert "Starting inference process" in said
    assert f"answered {part.count - kept} items, {kept} restored from the journal" in said
    assert job_problem(start.files, spec, TOKEN) == ""
    timing = manifest(start.files, part).details["timing"]
    assert timing["answered"] == part.count - kept
    assert timing["seconds"] > 0
    assert lines(start.files.path(layout.starts(TOKEN))) == 2
    assert start.files.read(layout.prediction("tiny", part.name)) == undisturbed(spec, part)


def test_two_processes_give_the_bytes_of_one_and_say_what_they_refused(
    start, make_spec, gen_dataset, ppl_dataset, undisturbed
):
    broken = {**gen_dataset, "abbr": "broken", "path": "./data/absent.jsonl"}
    spec = make_spec(broken, gen_dataset, ppl_dataset, model={"run_cfg": {"num_procs": 2}})
    job = start(spec)
    said, _ = job.communicate(timeout=180)
    assert job.returncode == 2, said
    record = read_exit(start.files, TOKEN)
    assert (record.error_type, record.retryable) == ("InputProblem", False)
    assert "absent.jsonl" in record.error
    alone = make_spec(gen_dataset, ppl_dataset)
    for part in alone.parts:
        assert part_problem(start.files, "tiny", part) == ""
        assert start.files.read(layout.prediction("tiny", part.name)) == undisturbed(alone, part)
        timing = manifest(start.files, part).details["timing"]
        assert (timing["answered"], timing["device"]) == (part.count, "cpu")
        assert 0 < timing["seconds"] < 180
    assert said.count("Starting inference process") == 2
