"""The protocol around the work: claim, starts, heartbeat, exit record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from inference import __main__ as command
from inference import infer, job
from inference.claim import Attempt, take_claim
from inference.heartbeat import Progress, Pulse
from inference.journal import Answer, Journal
from inference.problems import InputProblem, MissingParts
from opencompass_ops.contract import layout, variables
from opencompass_ops.contract.evidence import job_problem, read_exit
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import Heartbeat
from opencompass_ops.contract.spec import INFER, Part, ShardSpec

TOKEN = "oc-abcdef-12345678-infer-0000-e1"
PART = Part({"abbr": "toy"}, None, 0, 2, 2, "f1", "p1")
SPEC = ShardSpec("infer-0000", INFER, {"abbr": "tiny"}, (PART,))


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / layout.shard_spec(SPEC.id)
    path.parent.mkdir()
    path.write_text(SPEC.to_json())
    return path


@pytest.fixture
def files(tmp_path):
    return LocalFiles(tmp_path)


@pytest.fixture
def work(monkeypatch):
    """Replace what needs torch by a function of (files, spec)."""

    def replace(action):
        monkeypatch.setattr(infer, "infer", lambda files, spec, token, progress, launch=None: action(files, spec))

    return replace


def answer(files, spec):
    with Journal(files, spec.model_abbr, PART) as book:
        book.append([Answer(item, {"prediction": str(item)}) for item in range(PART.count)])
    infer.write_part(files, spec, PART, TOKEN)


def run(shard, files, job_id="17", restart=0):
    arguments = ["infer", str(shard), "--run-dir", str(files.root), "--token", TOKEN, "--epoch", "1"]
    return command.main([*arguments, "--job-id", job_id, "--restart", str(restart)])


def fail_with(error):
    def action(files, spec):
        raise error

    return action


def test_a_good_job_leaves_evidence_of_success(shard, files, work):
    work(answer)
    assert run(shard, files) == 0
    record = read_exit(files, TOKEN)
    assert (record.returncode, record.job_id, record.epoch, record.error) == (0, "17", 1, "")
    assert list(record.manifests) == ["predictions/tiny/toy.manifest.json"]
    assert job_problem(files, SPEC, TOKEN) == ""
    beat = Heartbeat.from_json(files.read(layout.heartbeat(TOKEN)))
    assert beat.phase == "done"


def test_a_second_job_for_a_held_token_does_nothing(shard, files, work, capsys):
    work(answer)
    assert take_claim(files, Attempt(TOKEN, 1, "16")) == "16"
    assert run(shard, files, job_id="17") == 75
    assert not files.exists(layout.exit_record(TOKEN))
    assert not files.exists(layout.starts(TOKEN))
    assert "16" in capsys.readouterr().out


def test_the_holder_enters_again_after_a_restart_and_every_start_is_counted(shard, files, work):
    work(fail_with(RuntimeError("the node went away")))
    assert run(shard, files) == 1
    work(answer)
    assert run(shard, files, restart=1) == 0
    starts = [json.loads(line) for line in files.read(layout.starts(TOKEN)).splitlines()]
    assert [(start["job_id"], start["restart"]) for start in starts] == [("17", 0), ("17", 1)]
    assert read_exit(files, TOKEN).restart == 1


def test_the_record_of_an_earlier_start_does_not_speak_for_a_later_one(shard, files, work):
    work(fail_with(RuntimeError("first")))
    run(shard, files)
    seen = []

    def look(files, spec):
        seen.append(files.exists(layout.exit_record(TOKEN)))
        raise RuntimeError("second")

    work(look)
    run(shard, files, restart=1)
    assert seen == [False]


class OutOfMemoryError(RuntimeError):
    """Named as torch names it."""


@pytest.mark.parametrize(
    ("error", "code", "retryable", "says"),
    [
        (InputProblem("dataset toy: row 3 has no column 'q'"), 2, False, "no column"),
        (OutOfMemoryError("tried to allocate\n20 GiB"), 1, True, "lower the model's batch_size"),
        (OSError(28, "No space left on device"), 1, True, "No space left"),
        (RuntimeError(), 1, True, "RuntimeError"),
    ],
)
def test_an_error_is_told_in_one_line_with_who_may_retry(shard, files, work, capfd, error, code, retryable, says):
    work(fail_with(error))
    assert run(shard, files) == code
    record = read_exit(files, TOKEN)
    assert (record.returncode, record.retryable, record.error_type) == (code, retryable, type(error).__name__)
    assert says in record.error
    assert "\n" not in record.error
    assert "Traceback" in capfd.readouterr().err


def test_an_evaluation_without_its_answers_says_so_and_shows_no_code(shard, files, work, capfd):
    work(fail_with(MissingParts("2 of 2 parts cannot be scored: predictions/tiny/toy.json is not there")))
    assert run(shard, files) == 1
    assert read_exit(files, TOKEN).error_type == "MissingParts"
    said = capfd.readouterr().err
    assert said.startswith("not scored: 2 of 2 parts cannot be scored: predictions/tiny/toy.json is not there")
    assert "Traceback" not in said


def test_a_damaged_spec_is_refused(shard, files):
    shard.write_text("{")
    assert run(shard, files) == 2
    assert read_exit(files, TOKEN).retryable is False


def test_work_that_ends_quietly_without_its_files_is_no_success(shard, files, work):
    work(lambda files, spec: None)
    assert run(shard, files) == 1
    assert "toy.json is missing" in read_exit(files, TOKEN).error


def test_sigterm_flushes_the_journal_and_leaves_a_record(shard, files, work, monkeypatch):
    def wait_for_signal(files, spec):
        with Journal(files, "tiny", PART) as book:
            book.append([Answer(0, {"prediction": "0"})])
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)

    write = LocalFiles.write

    def write_after_another_signal(self, path, content):
        if path.endswith("exit.json"):
            os.kill(os.getpid(), signal.SIGTERM)
        write(self, path, content)

    monkeypatch.setattr(LocalFiles, "write", write_after_another_signal)
    work(wait_for_signal)
    assert run(shard, files) == 143
    record = read_exit(files, TOKEN)
    assert (record.returncode, record.retryable, record.error_type) == (143, True, "Terminated")
    assert files.read(layout.journal("tiny", "toy")).count(b"\n") == 1
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_one_of_many_claims_wins(files):
    holders = []

    def claim(number):
        holders.append(take_claim(files, Attempt(TOKEN, 1, str(number))))

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(holders) == 16
    assert len(set(holders)) == 1
    assert files.list(layout.job(TOKEN)) == ["claim"]


def test_the_job_id_and_its_restarts_come_from_the_environment(shard, files, work, monkeypatch):
    work(answer)
    monkeypatch.setenv(variables.JOB_ID, "4711")
    monkeypatch.setenv(variables.RESTART, "2")
    command.main(["infer", str(shard), "--run-dir", str(files.root), "--token", TOKEN])
    assert (read_exit(files, TOKEN).job_id, read_exit(files, TOKEN).restart) == ("4711", 2)


def test_the_heartbeat_follows_the_progress(files):
    progress = Progress(phase="running", done=3, total=9)
    with Pulse(files, TOKEN, progress):
        progress.done = 5
    beat = Heartbeat.from_json(files.read(layout.heartbeat(TOKEN)))
    assert (beat.phase, beat.done, beat.total) == ("running", 5, 9)


def test_no_torch_is_imported_before_there_is_something_to_infer(repo):
    code = (
        "import sys, inference.__main__, inference.infer, inference.parallel; "
        "print([name for name in ('torch', 'transformers', 'numpy') if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": f"{repo / 'plugins'}:{repo}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"


def test_a_file_that_may_not_be_read_is_not_tried_again():
    ending = job.classify(PermissionError(13, "Permission denied", "/models/model.safetensors"))
    assert not ending.retryable
    assert "/models/model.safetensors" in ending.error
    assert "give the account that runs the jobs access to it" in ending.error


def test_classification_keeps_what_a_worker_said():
    ending = job.classify(job.parallel.WorkerFailed("worker 1: no", "InputProblem", retryable=False))
    assert (ending.returncode, ending.error_type, ending.retryable) == (2, "InputProblem", False)
