"""``-l`` on the command line: OpenCompass's reports to ``lark_bot_url``, cards to connections, and nothing unasked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from chat_servers import ChatServer, Reply, chat_server
from opencompass_ops.cli import main
from opencompass_ops.contract import layout
from opencompass_ops.errors import OpsError
from small_world import SmallWorld, make_world

pytestmark = pytest.mark.process


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWorld]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    for name in ("OPENCOMPASS_LARK", "OPENCOMPASS_SLACK"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{name}", raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "no-airflow"))
    yield from make_world(tmp_path, monkeypatch)


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with chat_server() as server:
        yield server


def with_address(world: SmallWorld, url: str) -> str:
    return world.config(None, ("datasets = [", f"lark_bot_url = {url!r}\ndatasets = ["))


def connect(monkeypatch: pytest.MonkeyPatch, chat: ChatServer, **extra: str) -> None:
    values = {"conn_type": "lark", "host": chat.address, "password": chat.token, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_OPENCOMPASS_LARK", json.dumps(values))


def test_an_address_in_the_config_gets_opencompass_s_reports_only_when_asked(
    world: SmallWorld, chat: ChatServer, capsys: pytest.CaptureFixture[str]
):
    config = with_address(world, chat.lark_url)
    assert main(["run", config]) == 0
    assert chat.taken == []
    assert main(["run", config, "-l", "--limit", "4"]) == 0
    shapes = [body["content"].get("text") or body["content"]["post"]["zh_cn"]["title"] for body in chat.taken]
    assert shapes[0].endswith("'s task has been launched!")
    assert shapes[1:3] == ["Great news: all tasks finished!"] * 2
    assert shapes[3].endswith(".txt")
    assert len(shapes) == 4
    run_dir = world.runs()[-1]
    said = capsys.readouterr().out
    assert "lark_bot_url stands in the config" in said
    assert "message: launch to lark_bot_url: delivered" in said
    assert main(["notifications", str(run_dir)]) == 0
    assert "summary to lark_bot_url: delivered" in capsys.readouterr().out
    assert chat.token not in said
    held = [path for path in run_dir.rglob("*") if path.is_file() and chat.token in path.read_text(errors="replace")]
    assert held == []


def test_the_address_may_come_as_an_option_and_is_masked_in_the_plan(world: SmallWorld, chat: ChatServer):
    option = f"lark_bot_url={chat.lark_url.replace('/hook/', '/relay/')}"  # no known form of a webhook
    assert main(["run", world.config(), "-l", "--cfg-options", option]) == 0
    assert not chat.taken  # it leads nowhere
    assert len(chat.refused) == 6  # and the run is green; what a stage could not tell is tried again at the end
    plan = (world.runs()[-1] / layout.PLAN).read_text()
    assert "lark_bot_url=***" in plan
    assert chat.token not in plan


def test_a_connection_gets_a_card_at_start_and_end(
    world: SmallWorld, chat: ChatServer, monkeypatch: pytest.MonkeyPatch
):
    connect(monkeypatch, chat, language="zh")
    slack = {"conn_type": "slackwebhook", "password": chat.slack_url, "extra": {}}
    monkeypatch.setenv("AIRFLOW_CONN_OPENCOMPASS_SLACK", json.dumps(slack))
    assert main(["run", world.config()]) == 0
    assert chat.taken == []
    assert main(["run", world.config(), "-l", "--limit", "4"]) == 0
    assert chat.titles == ["评测已启动：eval_small", "评测完成：eval_small"]
    assert len(chat.taken) == 4
    assert "Evaluation done: eval_small" in chat.texts[-1]


def test_a_failed_run_says_why_and_keeps_its_exit_code(
    world: SmallWorld, chat: ChatServer, monkeypatch: pytest.MonkeyPatch
):
    connect(monkeypatch, chat)
    (world.folder / "fail-tiny").touch()
    assert main(["run", world.config(), "-l", "--retry", "0"]) == 1
    assert "this job was told to fail" in chat.texts[-1]
    assert chat.taken[-1]["card"]["header"]["template"] == "red"


def test_a_message_that_cannot_be_delivered_changes_no_exit_code_and_is_seen(
    world: SmallWorld, chat: ChatServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    connect(monkeypatch, chat)
    chat.faults = [Reply(403, "no")] * 2
    assert main(["run", world.config(), "-l"]) == 0
    assert "message: success to opencompass_lark: NOT delivered: HTTP 403" in capsys.readouterr().out
    assert main(["notifications", str(world.runs()[-1])]) == 1


def test_a_connection_that_cannot_be_used_is_said(
    world: SmallWorld, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("AIRFLOW_CONN_OPENCOMPASS_LARK", '{"conn_type": "lark"}')
    assert main(["run", world.config(), "-l"]) == 0
    said = capsys.readouterr().out
    assert "connection 'opencompass_lark' has no password" in said
    assert "-l: there is no chat to tell" in said


def test_an_address_from_the_environment_is_no_reason_to_warn(
    world: SmallWorld, chat: ChatServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("OPENCOMPASS_LARK_BOT_URL", chat.lark_url)
    asked = "import os\nlark_bot_url = os.environ['OPENCOMPASS_LARK_BOT_URL']\ndatasets = ["
    assert main(["run", world.config(None, ("datasets = [", asked)), "-l"]) == 0
    assert len(chat.taken) == 4
    assert "lark_bot_url stands" not in capsys.readouterr().out


def test_what_ends_the_command_before_the_run_is_over_is_told_and_the_end_by_whoever_attaches(
    world: SmallWorld, chat: ChatServer, monkeypatch: pytest.MonkeyPatch
):
    connect(monkeypatch, chat, language="en")
    hold = world.hold(after=1)
    command = [sys.executable, "-m", "opencompass_ops.cli", "run", world.config(), "-l"]
    driver = subprocess.Popen(command)
    try:
        answers = world.folder / "outputs"
        while not list(answers.glob("default/*/jobs/*/answered")):
            assert driver.poll() is None
            time.sleep(0.05)
        driver.terminate()
        assert driver.wait(60) == 1
    finally:
        driver.kill()
    hold.unlink()
    assert chat.titles == ["Evaluation started: eval_small", "Evaluation failed: eval_small"]
    (run_dir,) = world.runs()
    assert "stopped by SIGTERM" in chat.texts[-1]
    assert f"opencompass-ops attach {run_dir}" in unescape(chat.texts[-1])
    assert main(["attach", str(run_dir)]) == 0
    assert chat.titles[2:] == ["Evaluation done: eval_small"]


def test_an_error_of_the_command_itself_is_told(world: SmallWorld, chat: ChatServer, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> None:
        raise OpsError("results database: disk is full")

    connect(monkeypatch, chat, language="en")
    monkeypatch.setattr("opencompass_ops.summarize.summarize", broken)
    assert main(["run", world.config(), "-l"]) != 0
    assert chat.titles[-1] == "Evaluation failed: eval_small"
    assert "results database: disk is full" in chat.texts[-1]
