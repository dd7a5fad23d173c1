"""The command line: exit codes, one message for people, and jobs that outlive a Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from opencompass_ops.cli import main
from opencompass_ops.clusters import attempts
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from small_world import SmallWorld, make_world

pytestmark = pytest.mark.process

COMMAND = [sys.executable, "-m", "opencompass_ops.cli"]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWorld]:
    monkeypatch.setenv("OPENCOMPASS_OPS_KILL_GRACE", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    yield from make_world(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere"], "config 'nowhere' not found"),
        (["run", "{config}", "--limit", "0"], "limit=0: is too small"),
        (["run", "{config}", "-r", "../x"], "reuse='../x': must be a plain name"),
        (["run", "{config}", "-m", "eval"], "mode='eval': works on a run that exists"),
        (["run", "{config}", "--cluster", "nope"], "cluster config 'nope' not found"),
        (["run", "{config}", "--model-override", "path=/gone"], "model gone: model folder /gone does not exist"),
        (["run", "{config}", "--cfg-options", "datasets.0.path=gone"], "dataset sums: {folder}/gone does not exist"),
        (["plan", "{config}", "-w", "/dev/null/x"], "work dir /dev/null/x cannot be used: /dev/null is a file"),
        (["plan", "{config}", "-w", "{folder}/none", "-m", "viz", "-r"], "{folder}/none holds no run"),
        (["attach", "{folder}"], "{folder} is no run directory: it has no plan.json"),
        (["attach", "{folder}/tiny/config.json"], "is no run directory"),
        (["attach", "{folder}/broken"], "broken: Plan: not a record"),
    ],
    ids=lambda value: " ".join(value[:4]) if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said_in_one_message(
    world: SmallWorld, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
):
    (world.folder / "broken").mkdir()
    (world.folder / "broken" / layout.PLAN).write_text("{")
    names = {"config": world.config(), "folder": str(world.folder)}
    assert main([argument.format(**names) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert message.format(**names) in captured.err
    assert "Traceback" not in captured.err
    assert world.runs() == []


@pytest.mark.parametrize("arguments", [["--limit", "x"], ["--model-override", "abr=x"], ["-m", "all of it"]])
def test_a_flag_that_cannot_be_read_is_named(capsys: pytest.CaptureFixture[str], arguments: list[str]):
    with pytest.raises(SystemExit) as caught:
        main(["run", "any", *arguments])
    assert caught.value.code == 2
    assert arguments[1] in capsys.readouterr().err


def test_a_plan_as_json_is_json_and_leaves_nothing_behind(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    assert main(["plan", world.config(), "--json"]) == 0
    plan = Plan.from_json(capsys.readouterr().out)
    assert [shard.label for shard in plan.shards] == ["tiny/sums"]
    assert main(["run", world.config(), "--dry-run"]) == 0
    assert "infer: 1 job, 6 rows" in capsys.readouterr().out
    assert world.runs() == []


def test_a_failure_is_one_red_exit_code_and_attach_goes_on(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    fail = world.folder / "fail-tiny"
    fail.touch()
    assert main(["run", world.config(), "--retry", "0"]) == 1
    captured = capsys.readouterr()
    assert re.search(r"^failed: infer-0000-\w+: tiny/sums .* this job was told to fail$", captured.err, re.M)
    assert re.search(
        r"^failed: eval-0000-\w+: tiny/sums: not started, .* this job was told to fail", captured.err, re.M
    )
    assert "coverage 0/1 pairs" in captured.out
    fail.unlink()
    (run_dir,) = world.runs()
    assert main(["attach", str(run_dir)]) == 0
    assert "coverage 1/1 pairs" in capsys.readouterr().out
    assert main(["attach", str(run_dir)]) == 0
    assert [name.rpartition("-")[2] for name in world.jobs(run_dir, "infer")] == ["e1", "e2"]
    assert [name.rpartition("-")[2] for name in world.jobs(run_dir, "eval")] == ["e1"]


def test_debug_shows_the_output_of_one_job_after_the_other(world: SmallWorld, capsys: pytest.CaptureFixture[str]):
    overrides = [f"--model-override=path={world.checkpoint(name)}" for name in ("s1", "s2")]
    assert main(["run", world.config(), "--debug", "--max-num-workers", "2", *overrides]) == 0
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if re.match(r"loading|s[12]/sums: (job|done)", line)]
    shown = [re.sub(r"job oc-\S+-(infer|eval)-\S+", r"\1", line) for line in told]
    assert any(re.match(r"s1/sums: oc-\S+ is succeeded \(\d+\)", line) for line in lines)
    assert shown[:6] == [
        "s1/sums: infer",
        "loading s1",
        "s1/sums: done",
        "s2/sums: infer",
        "loading s2",
        "s2/sums: done",
    ]
    assert shown[6:] == ["s1/sums: eval", "s1/sums: done", "s2/sums: eval", "s2/sums: done"]


def test_a_reader_that_has_seen_enough_is_no_error(world: SmallWorld):
    command = [*COMMAND, "plan", world.config(), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert "Error" not in process.stderr.read().decode()
    assert process.wait() == 128 + signal.SIGPIPE


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """Commands that a script starts in the background ignore SIGINT, and so would all that they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_an_interrupted_run_leaves_its_jobs_and_attach_finishes_them(world: SmallWorld):
    gate = world.hold()
    process = subprocess.Popen(
        [*COMMAND, "run", world.config()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    )
    run_dir = started(world)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out.endswith(f"The jobs go on. Attach again with:\n  opencompass-ops attach {run_dir}\n")
    assert processes_of(run_dir)
    gate.unlink()
    assert subprocess.run([*COMMAND, "attach", str(run_dir)], capture_output=True, check=False).returncode == 0
    assert len(LocalFiles(run_dir).read(layout.starts(world.jobs(run_dir, "infer")[0])).splitlines()) == 1
    assert len(world.jobs(run_dir)) == 2


@pytest.mark.usefixtures("_interruptible")
def test_yes_to_the_question_after_ctrl_c_stops_every_process(world: SmallWorld):
    world.hold()
    command = [*COMMAND, "run", world.config()]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, command)
    run_dir = started(world)
    os.write(terminal, b"\x03")
    shown = read_until(terminal, b"[y/N] ")
    os.write(terminal, b"y\n")
    shown += read_until(terminal, b"are kept in")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    os.close(terminal)
    assert b"Traceback" not in shown
    assert processes_of(run_dir) == []
    (token,) = world.jobs(run_dir, "infer")
    verdict = attempts.verdict(LocalFiles(run_dir), token)
    assert verdict is not None
    assert verdict.error_type == "JobCancelled"


def started(world: SmallWorld) -> Path:
    """The run directory, once its first job runs."""
    (start,) = until(lambda: list(world.work_dir.glob("*/jobs/*/starts")))
    return Path(start).parents[2]


def until(ask: Callable[[], Any], timeout: float = 60) -> Any:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.05)
    return pytest.fail(f"not within {timeout:.0f} s")


def read_until(terminal: int, mark: bytes) -> bytes:
    """What the terminal shows, up to the mark."""
    shown = b""

    def more() -> bool:
        nonlocal shown
        shown += os.read(terminal, 4096)
        return mark in shown

    until(more)
    return shown


def processes_of(run_dir: Path) -> list[int]:
    """Live processes that work on the run directory."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if str(run_dir) in " ".join(process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]
