"""What every backend must do; a new backend joins in ``backends.py``."""

from __future__ import annotations

import asyncio
import json
import signal
from dataclasses import replace

import pytest
from backends import BACKENDS, Bench, ended, is_gone, until

from opencompass_ops.clusters.base import Admission, JobState
from opencompass_ops.errors import JobRefused

pytestmark = pytest.mark.process

RECORD_ALIVE = "date +%s%N >> begun; until test -e go; do sleep 0.02; done; sleep 0.2; date +%s%N >> over"


def _marked(name: str) -> object:
    return pytest.param(name, marks=[] if name == "local" else getattr(pytest.mark, name.partition("-")[0]))


@pytest.fixture(params=[_marked(name) for name in sorted(BACKENDS)])
def bench(request, tmp_path, monkeypatch) -> Bench:
    monkeypatch.setenv("OPENCOMPASS_OPS_KILL_GRACE", "0.4")
    return BACKENDS[request.param](request, tmp_path)


async def test_a_job_runs_in_its_run_directory_and_its_output_is_complete(bench):
    cluster = bench.open()
    script = "echo out; echo err >&2; seq 1 20000; pwd > where; printf last"
    assert await cluster.submit(bench.shell("oc-a", script)) is Admission.ACCEPTED
    status = await ended(cluster, "oc-a")
    assert (status.state, status.exit_code) == (JobState.SUCCEEDED, 0)
    assert status.job_id
    log = bench.log("oc-a")
    assert "out\nerr\n1\n2\n" in log
    assert log.endswith("20000\nlast")
    assert (bench.run_dir / "where").read_text() == f"{bench.run_dir}\n"


async def test_a_second_job_appends_to_the_same_log(bench):
    cluster = bench.open()
    for token in ("oc-a-e1", "oc-a-e2"):
        await cluster.submit(bench.shell(token, "echo from $0$1", token, log_path="logs/infer/m/d.out"))
        await ended(cluster, token)
    log = (bench.run_dir / "logs/infer/m/d.out").read_text()
    assert "from shoc-a-e1" in log
    assert "from shoc-a-e2" in log


async def test_the_same_token_starts_once_even_after_its_end(bench):
    cluster = bench.open()
    request = bench.shell("oc-a", "echo $$ >> starts")
    assert await cluster.submit(request) is Admission.ACCEPTED
    assert await cluster.submit(request) is Admission.ADOPTED
    await ended(cluster, "oc-a")
    assert await bench.open().submit(request) is Admission.ADOPTED
    assert len(bench.lines("starts")) == 1


async def test_twenty_concurrent_submissions_from_four_processes_start_one_job(bench):
    request = bench.shell("oc-a", "echo $$ >> starts; sleep 0.2")
    submitters = [bench.submitter(request, times=5) for _ in range(4)]
    answers = [answer for each in submitters for answer in json.loads(each.communicate()[0])]
    await ended(bench.open(), "oc-a")
    assert sorted(answers) == ["accepted"] + ["adopted"] * 19
    assert len(bench.lines("starts")) == 1


async def test_no_more_than_max_running_jobs_of_a_group_are_alive(bench):
    cluster = bench.open()
    waiting = [bench.shell(f"oc-{number}", RECORD_ALIVE, max_running=2) for number in range(6)]
    answers = await asyncio.gather(*(cluster.submit(request) for request in waiting))
    assert answers.count(Admission.ACCEPTED) == 2
    (bench.run_dir / "go").touch()
    for request in waiting:
        while await cluster.submit(request) is Admission.FULL:
            await asyncio.sleep(0.02)
    for request in waiting:
        await ended(cluster, request.token)
    moments = sorted([(int(at), 1) for at in bench.lines("begun")] + [(int(at), -1) for at in bench.lines("over")])
    alive = [sum(step for _, step in moments[: index + 1]) for index in range(len(moments))]
    assert max(alive) <= 2
    assert len(bench.lines("begun")) == 6


async def test_groups_are_counted_apart(bench):
    cluster = bench.open()
    for group in ("one", "two"):
        request = bench.shell(f"oc-{group}", "sleep 30", group=group, max_running=1)
        assert await cluster.submit(request) is Admission.ACCEPTED
    await cluster.cancel(["oc-one", "oc-two"])


async def test_a_job_outlives_its_submitter_and_is_found_again(bench):
    request = bench.shell("oc-a", "echo $$ >> starts; while ! test -e go; do sleep 0.02; done; exit 5")
    submitter = bench.submitter(request)
    submitter.stdout.readline()
    submitter.send_signal(signal.SIGKILL)
    submitter.communicate()
    cluster = bench.open()
    assert (await cluster.find("oc-a")).state in (JobState.QUEUED, JobState.RUNNING)
    assert await cluster.submit(request) is Admission.ADOPTED
    (bench.run_dir / "go").touch()
    assert (await ended(cluster, "oc-a")).exit_code == 5
    assert len(bench.lines("starts")) == 1


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        ("exit 3", 3, "ended with code 3"),
        ("kill -9 $$", -9, "killed by signal 9 (SIGKILL)"),
        ("kill -15 $$", -15, "killed by signal 15 (SIGTERM)"),
    ],
)
async def test_codes_and_signals_are_told(bench, script, code, words):
    cluster = bench.open()
    await cluster.submit(bench.shell("oc-a", script))
    status = await ended(cluster, "oc-a")
    assert (status.state, status.exit_code) == (JobState.FAILED, code)
    assert status.reason.removeprefix(f"{status.node}: ") == words


async def test_a_cancelled_job_says_so(bench):
    cluster = bench.open()
    await cluster.submit(bench.shell("oc-a", "echo $$ > pid; exec sleep 30"))
    await until(lambda: bool(bench.lines("pid")))
    await cluster.cancel(["oc-a"])
    assert is_gone(int(bench.lines("pid")[0]))
    assert (await cluster.poll(["oc-a"]))["oc-a"].state is JobState.CANCELLED
    assert await cluster.submit(bench.shell("oc-a", "true")) is Admission.ADOPTED


async def test_a_job_that_handles_sigterm_may_finish_its_last_words(bench):
    cluster = bench.open()
    await cluster.submit(bench.shell("oc-a", "trap 'echo flushed; exit 0' TERM; : > up; while :; do sleep 0.02; done"))
    await until((bench.run_dir / "up").exists)
    await cluster.cancel(["oc-a"])
    assert "flushed" in bench.log("oc-a")
    assert (await cluster.poll(["oc-a"]))["oc-a"].state is JobState.CANCELLED


STUBBORN = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def say():
    with open("pids", "a") as stream:
        stream.write(f"{os.getpid()}\\n")
say()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:          # double-forked, in a session of its own, its parent gone, its environment emptied
        say()
        os.execve("/bin/sh", ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"], {})
    os._exit(0)
subprocess.Popen(["sh", "-c", "echo $$ >> pids; trap '' TERM; while :; do sleep 1; done"])
if sys.argv[1] == "wait":
    time.sleep(60)
while len(open("pids").read().split()) < 3:
    time.sleep(0.01)
"""


@pytest.mark.parametrize("main", ["wait", "end"])
async def test_no_process_of_a_job_is_left_after_cancel_or_after_its_end(bench, main):
    cluster = bench.open()
    await cluster.submit(bench.python("oc-a", STUBBORN, main))
    await until(lambda: len(bench.lines("pids")) == 3)
    if main == "wait":
        await cluster.cancel(["oc-a"])
    state = (await ended(cluster, "oc-a")).state
    assert state is (JobState.CANCELLED if main == "wait" else JobState.SUCCEEDED)
    assert all(is_gone(int(pid)) for pid in bench.lines("pids"))


async def test_a_time_limit_stops_the_job(bench):
    if bench.whole_minutes:
        pytest.skip("this cluster counts in whole minutes and looks twice a minute; its own tests have the case")
    cluster = bench.open()
    await cluster.submit(bench.shell("oc-a", "sleep 30", minutes=0.005))
    status = await ended(cluster, "oc-a")
    assert status.state is JobState.TIMEOUT
    assert "time limit of 0.005 minutes" in status.reason


async def test_cancel_of_an_unknown_token_is_no_error(bench):
    cluster = bench.open()
    await cluster.cancel([])
    await cluster.cancel(["oc-never"])


async def test_a_token_nobody_submitted_is_unknown_beside_one_that_is_known(bench):
    cluster = bench.open()
    await cluster.submit(bench.shell("oc-a", "true"))
    await ended(cluster, "oc-a")
    answers = await cluster.poll(["oc-never", "oc-a"])
    assert answers["oc-never"].state is JobState.UNKNOWN
    assert answers["oc-a"].state is JobState.SUCCEEDED
    assert await cluster.find("oc-never") is None
    assert await cluster.poll([]) == {}


async def test_arguments_and_variables_arrive_byte_for_byte(bench):
    hostile = [
        "",
        " ",
        "a b",
        "'",
        '"',
        "\\",
        "$HOME",
        "`id`",
        "$(id)",
        "a\nb",
        "*",
        "-x",
        "ü€😀",
        ";",
        "&&",
        "%s",
        "\x1b[0m",
    ]
    script = "import json, os, sys; json.dump([sys.argv[1:], os.environ['HOSTILE']], open('seen', 'w'))"
    cluster = bench.open()
    await cluster.submit(bench.python("oc-a", script, *hostile, env={"HOSTILE": "a 'b' \"c\"\n$HOME ü"}))
    await ended(cluster, "oc-a")
    assert json.loads((bench.run_dir / "seen").read_text()) == [hostile, "a 'b' \"c\"\n$HOME ü"]


@pytest.mark.parametrize("token", ["", "a b", "../x", "A", "a\n", "ü", "x" * 65, "$(id)"])
async def test_a_hostile_token_is_refused(bench, token):
    with pytest.raises(JobRefused, match="must be 1 to 64 of a-z"):
        await bench.open().submit(replace(bench.request("oc-a", "true"), token=token))


async def test_a_program_that_is_not_there_is_an_end_with_its_name(bench):
    cluster = bench.open()
    try:
        await cluster.submit(bench.request("oc-a", "/no/such/python", "-m", "inference"))
    except JobRefused as error:
        words = str(error)
    else:
        status = await ended(cluster, "oc-a")
        assert (status.state, status.exit_code) == (JobState.FAILED, 127)
        words = bench.log("oc-a")
    assert "/no/such/python" in words


async def test_secrets_and_airflow_settings_do_not_reach_the_job(bench, monkeypatch):
    for name in ("AIRFLOW__CORE__FERNET_KEY", "AIRFLOW_HOME", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "ANYTHING"):
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("HF_HOME", "/models")
    script = "import json, os; json.dump(dict(os.environ), open('seen', 'w'))"
    cluster = bench.open()
    await cluster.submit(bench.python("oc-a", script, env={"FROM_REQUEST": "yes"}))
    await ended(cluster, "oc-a")
    seen = json.loads((bench.run_dir / "seen").read_text())
    assert "hidden" not in seen.values()
    assert (seen["FROM_CONFIG"], seen["FROM_REQUEST"]) == ("yes", "yes")
    assert seen.get("HF_HOME") == ("/models" if bench.inherits else None)
    assert (seen["CUDA_VISIBLE_DEVICES"], seen["OPENCOMPASS_OPS_TOKEN"]) == ("", "oc-a")


async def test_the_job_knows_the_id_that_the_cluster_reports(bench):
    cluster = bench.open()
    await cluster.submit(bench.shell("oc-a", "printf %s $OPENCOMPASS_OPS_JOB_ID > id"))
    assert (await ended(cluster, "oc-a")).job_id == (bench.run_dir / "id").read_text()
