"""Airflow's edges of messages: connection type, notifier, the tasks that tell, and the callback of the DAG."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from chat_servers import ChatServer, Reply, chat_server
from message_runs import cover, end, write_run
from opencompass_ops import drive, jobs
from opencompass_ops.clusters.attempts import Outcome
from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.hooks.channels import channels
from opencompass_ops.hooks.lark import LarkHook
from opencompass_ops.notifications.callbacks import tell_end, tell_look
from opencompass_ops.notifications.hang import tell_hang
from opencompass_ops.notifications.lark import LarkNotifier
from opencompass_ops.notifications.runs import AirflowRun
from opencompass_ops.operators.notify import AnnounceOperator, NotifyOperator
from opencompass_ops.provider_info import get_provider_info
from opencompass_ops.series.ledger import Ledger
from opencompass_ops.triggers.shard import ShardTrigger

pytestmark = pytest.mark.airflow


@pytest.fixture
def chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """A chat, and connections that lead there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with chat_server(secret="demo") as server:
        lark = {"conn_type": "lark", "host": server.address, "password": server.token, "extra": {"secret": "demo"}}
        slack = {"conn_type": "slackwebhook", "password": server.slack_url, "extra": {"events": "failure"}}
        monkeypatch.setenv("AIRFLOW_CONN_OPENCOMPASS_LARK", json.dumps(lark))
        monkeypatch.setenv("AIRFLOW_CONN_OPENCOMPASS_SLACK", json.dumps(slack))
        yield server


class Instance:
    """A task instance as far as messages ask it."""

    def __init__(self, **xcoms: Any) -> None:
        self.xcoms = xcoms
        self.pushed: dict[str, Any] = {}

    def xcom_pull(self, task_ids: str, key: str) -> Any:
        return self.xcoms.get(f"{task_ids}_{key}")

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = json.loads(json.dumps(value))


class Store(dict):
    """A task's state store."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key, default)

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))


def context(run_type: str = "manual", params: dict[str, Any] | None = None, **xcoms: Any) -> Any:
    return {
        "dag": DAG("opencompass_eval"),
        "run_id": "manual__2026-01-02T03:04:05+00:00",
        "dag_run": SimpleNamespace(run_type=run_type, triggering_user_name="ann"),
        "params": {"config": "eval_tiny", "lark": False, **(params or {})},
        "ti": Instance(**xcoms),
        "task_state_store": Store(),
    }


def failed_run(folder: Path, **params: Any) -> LocalFiles:
    files = write_run(folder / "run", params=params)
    end(files, "infer-0001", "boom")
    cover(files, "missing")
    return files


def planned(files: LocalFiles) -> dict[str, Any]:
    summary = {"coverage": "coverage 0/1 pairs", "failed": 1}
    return {"plan_return_value": {"run_dir": str(files.root), "dry_run": False}, "summarize_summary": summary}


def test_that_a_promotion_waits_and_that_nobody_answered_are_told_once_each(
    chat: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("AIRFLOW_CONN_OPENCOMPASS_SLACK")
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "http://airflow")
    files = write_run(tmp_path / "run")
    for shard in ("infer-0000", "infer-0001", "eval-0000"):
        end(files, shard)
    cover(files)
    asked = {"model": "run7-step-700", "version": "0.0.7", "approval": True, "approval_days": 7.0}
    xcoms = planned(files) | {
        "summarize_summary": {"coverage": "", "failed": 0},
        "gate_gate": {"is_red": False},
        "gate_promotion": asked,
    }
    of_series = context(params={"series": "run7"}, **xcoms)
    for _ in range(2):
        NotifyOperator(task_id="notify").execute(of_series)
    (waits,) = chat.texts
    assert "promotion waits for approval" in waits
    assert "tasks/approve/required_actions" in json.dumps(chat.taken)
    for answer in ("approved", "rejected"):
        tell_end(context(params={"series": "run7"}, **xcoms, approve_answer=answer) | {"reason": "success"})
    assert len(chat.texts) == 1, "who has answered knows it"
    for _ in range(2):
        tell_end(context(params={"series": "run7"}, **xcoms, approve_answer="expired") | {"reason": "success"})
    (_, expired) = chat.texts
    assert "0.0.7 (run7-step-700) is not promoted: nobody answered within 7 days" in unescape(expired)


def test_both_connections_are_chats_read_by_the_providers_rules(chat: ChatServer):
    said: list[str] = []
    lark, slack = channels(said.append)
    assert (lark.url, lark.secret, lark.service) == (chat.lark_url, "demo", "lark")
    assert (slack.url, slack.service) == (chat.slack_url, "slack")
    assert said == []


def test_a_connection_that_is_not_set_is_no_chat_and_a_wrong_one_is_told(chat, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("AIRFLOW_CONN_OPENCOMPASS_SLACK")
    monkeypatch.setenv(
        "AIRFLOW_CONN_OPENCOMPASS_LARK", '{"conn_type": "lark", "password": "x", "extra": {"language": 3}}'
    )
    said: list[str] = []
    assert channels(said.append) == []
    (line,) = said
    assert "language must be a text" in line


def test_the_form_of_the_connection_type_is_that_of_the_hook():
    (form,) = get_provider_info()["connection-types"]
    assert form["hook-class-name"] == f"{LarkHook.__module__}.{LarkHook.__name__}"
    assert (form["connection-type"], form["hook-name"]) == (LarkHook.conn_type, LarkHook.hook_name)
    assert set(form["conn-fields"]) == {"secret", "language", "events", "format", "proxy"}
    (notifier,) = get_provider_info()["notifications"]
    assert notifier == f"{LarkNotifier.__module__}.{LarkNotifier.__name__}"


def test_the_notifier_sends_a_signed_card_from_any_callback(chat: ChatServer):
    notifier = LarkNotifier(
        title="{{ dag.dag_id }} failed", text="run {{ run_id }}\n{{ reason }}", links={"log": "http://x"}
    )
    notifier({**context(), "reason": "task_failure"})
    (card,) = chat.taken
    assert card["card"]["header"]["title"]["content"] == "opencompass_eval failed"
    assert "task&#95;failure" in json.dumps(card)
    assert card["sign"]
    asyncio.run(LarkNotifier(title="late", text="").async_notify(context()))
    assert len(chat.taken) == 2


def test_a_notifier_that_cannot_deliver_warns_and_raises_nothing(chat: ChatServer):
    chat.faults = [Reply(403, "no")]
    LarkNotifier(title="t", text="x")(context())
    LarkNotifier(title="t", text="x", lark_conn_id="nowhere")(context())
    assert chat.taken == []


def begun(url: str) -> str:
    """Book the evaluation of two checkpoints of a series; returns the id of the second one's run."""
    with Ledger.open(url) as ledger, ledger.exclusive("run7") as book:
        for step in (100, 200):
            row = book.begin(digest=f"w{step}", fingerprint="f", suite="s@1", name=f"step-{step}", step=step)
    return row.run_id


def test_every_message_of_a_series_evaluation_names_version_and_checkpoint(
    chat: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    url = f"sqlite:///{tmp_path / 'results.db'}"
    monkeypatch.setenv("OPENCOMPASS_OPS_DATABASE", url)
    monkeypatch.delenv("AIRFLOW_CONN_OPENCOMPASS_SLACK")
    files = failed_run(tmp_path, series="run7")
    run = {"run_id": begun(url)}
    AnnounceOperator(task_id="announce").execute(
        context(params={"series": "run7", "lark": True}, **planned(files)) | run
    )
    NotifyOperator(task_id="notify").execute(context(params={"series": "run7"}, **planned(files)) | run)
    assert ["run7: 0.0.2 (step-200)" in unescape(text) for text in chat.texts] == [True, True]
    NotifyOperator(task_id="notify").execute(
        context(params={"series": "run7"}, plan_problem="the weights are others") | run
    )
    assert "run7: 0.0.2 (step-200)" in unescape(chat.texts[2])


def test_a_message_is_told_though_nobody_can_say_which_version_it_is(
    chat: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENCOMPASS_OPS_DATABASE", f"sqlite:///{tmp_path}/away/results.db")
    monkeypatch.delenv("AIRFLOW_CONN_OPENCOMPASS_SLACK")
    (tmp_path / "away").touch()
    said: list[str] = []
    seen = context(params={"series": "run7"}, **planned(failed_run(tmp_path, series="run7")))
    AirflowRun(seen, said.append).tell_end()
    assert "run7" in chat.texts[0]
    assert [line.partition(":")[0] for line in said] == ["the message names no version", "failure to opencompass_lark"]


def test_a_failed_run_that_nobody_asked_about_is_told_only_where_a_connection_says_so(chat: ChatServer, tmp_path: Path):
    files = failed_run(tmp_path)
    NotifyOperator(task_id="notify").execute(context(**planned(files)))
    (body,) = chat.taken
    assert "blocks" in body


@pytest.mark.parametrize(
    ("run_type", "params"), [("scheduled", {}), ("manual", {"series": "s"}), ("manual", {"lark": True})]
)
def test_bad_news_of_a_scheduled_run_and_whatever_is_asked_for_is_told_everywhere(chat, tmp_path, run_type, params):
    files = failed_run(tmp_path)
    NotifyOperator(task_id="notify").execute(context(run_type, params, **planned(files)) | {"config": "eval_tiny"})
    assert len(chat.taken) == 2
    assert "started by" not in chat.texts[0].lower() or "ann" in chat.texts[0]


def test_the_start_is_told_when_it_is_asked_for(chat: ChatServer, tmp_path: Path):
    files = write_run(tmp_path / "run")
    AnnounceOperator(task_id="announce").execute(context("scheduled", **planned(files)))
    assert chat.taken == []
    AnnounceOperator(task_id="announce").execute(context("scheduled", {"lark": True}, **planned(files)))
    assert len(chat.taken) == 2


@pytest.mark.parametrize("task", [AnnounceOperator, NotifyOperator])
def test_a_dry_run_and_a_plan_that_failed_start_nothing_to_tell(chat: ChatServer, task: type):
    dry = {"plan_return_value": {"run_dir": "/nowhere", "dry_run": True}}
    task(task_id="t").execute(context("scheduled", {"lark": True}, **dry))
    assert chat.taken == []


def test_a_run_without_a_folder_is_told_once_though_it_has_no_ledger(chat: ChatServer):
    seen = context("scheduled", plan_problem="eval_nowhere: there is no such config")
    NotifyOperator(task_id="notify").execute(seen)
    assert len(chat.taken) == 2
    assert "there is no such config" in chat.texts[1]
    NotifyOperator(task_id="notify").execute(seen)  # cleared
    callback = context("scheduled", plan_problem="eval_nowhere", notify_told=seen["ti"].pushed["told"])
    tell_end(callback)
    assert len(chat.taken) == 2


def test_an_undelivered_message_is_red_in_the_grid_and_the_callback_tries_again(chat: ChatServer, tmp_path: Path):
    files = failed_run(tmp_path)
    chat.faults = [Reply(403, "no"), Reply(404, "no_service")]
    seen = context("scheduled", **planned(files))
    with pytest.raises(AirflowFailException, match=r"NOT delivered: HTTP 403.*NOT delivered: HTTP 404"):
        NotifyOperator(task_id="notify").execute(seen)
    tell_end(context("scheduled", **planned(files)))
    assert len(chat.taken) == 2
    tell_end(context("scheduled", **planned(files)))
    assert len(chat.taken) == 2


GREEN = {"outcome": "pass", "is_red": False}


def whole(folder: Path, verdict: dict[str, Any] | None) -> dict[str, Any]:
    """What tasks left of a run that has all its scores."""
    files = write_run(folder / "run")
    for shard in ("infer-0000", "infer-0001", "eval-0000"):
        end(files, shard)
    cover(files)
    summary = {"coverage": "coverage 1/1 pairs", "failed": 0}
    return planned(files) | {"summarize_summary": summary, "gate_gate": verdict}


def test_a_gate_that_ended_without_a_verdict_is_no_success(chat: ChatServer, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.corp")
    NotifyOperator(task_id="notify").execute(context("scheduled", **whole(tmp_path, None)))
    card, _ = chat.texts
    assert "Evaluation failed: eval_tiny" in card
    assert "without its verdict" in card
    assert "(gate)" in unescape(card)
    assert "/tasks/gate)" in card


@pytest.mark.parametrize("verdict", [GREEN, {"outcome": "fail", "is_red": True}])
def test_a_run_with_its_scores_and_its_verdict_is_told_as_it_was_before(chat: ChatServer, tmp_path: Path, verdict):
    left = whole(tmp_path, verdict)
    NotifyOperator(task_id="notify").execute(context(params={"lark": True}, **left))
    tell_end(context(params={"lark": True}, **left) | {"reason": "task_failure" if verdict["is_red"] else "success"})
    assert len(chat.taken) == 2
    assert "Evaluation done: eval_tiny" in chat.texts[0]


def test_a_run_that_fails_after_its_success_was_told_is_told_again_by_the_callback(chat: ChatServer, tmp_path: Path):
    left = whole(tmp_path, GREEN)
    NotifyOperator(task_id="notify").execute(context("scheduled", {"lark": True}, **left))
    late = context("scheduled", {"lark": True}, **left) | {"reason": "task_failure"}
    late["ti"].task_id = "promote"
    tell_end(late)
    assert "Evaluation done" in chat.texts[0]
    assert "Evaluation failed: eval_tiny" in chat.texts[2]
    assert "(promote)" in unescape(chat.texts[2])
    assert len(chat.taken) == 4


def look(problem: Any, run_type: str = "scheduled") -> Any:
    """A run of a series' DAG that failed."""
    seen = context(run_type, {"config": None}, discover_problem=problem) | {"dag": DAG("opencompass_checkpoints_tiny")}
    seen["ti"].task_id = "discover"
    return seen


def test_a_look_for_checkpoints_that_fails_is_told_once_for_each_reason(chat: ChatServer):
    for problem in ("/ckpt is away", "/ckpt is away", "suite nightly@4 is not published", "/ckpt is away"):
        tell_look(look(problem), series="tiny")
    cards = [unescape(one) for one in chat.texts[::2]]
    assert len(cards) == 2
    assert "/ckpt is away (discover)" in cards[0]
    assert "**Series** tiny" in cards[0]
    assert "nightly@4" in cards[1]
    tell_look(look("/ckpt is away", "manual"), series="other")  # a trainer triggers it by REST
    assert len(chat.taken) == 6


def test_a_look_that_still_fails_after_a_day_is_told_again(chat: ChatServer, monkeypatch: pytest.MonkeyPatch):
    tell_look(look("/ckpt is away"), series="tiny")
    later = datetime.now(UTC) + timedelta(hours=25)
    monkeypatch.setattr("opencompass_ops.messages.ledger.datetime", SimpleNamespace(now=lambda zone: later))
    tell_look(look("/ckpt is away"), series="tiny")
    assert len(chat.taken) == 4


def test_a_look_whose_task_left_no_reason_is_told_and_one_whose_file_is_wrong_says_so(chat: ChatServer):
    tell_look(look(None), series="tiny")
    tell_look(look(None), series="tiny", problem="there is no 'evry'")
    assert "its log says why" in chat.texts[0]
    assert "evry" in chat.texts[2]


def test_a_callback_that_fails_hurts_nobody(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.ERROR):
        tell_end({"run_id": "r"})  # type: ignore[arg-type]
    assert "the end of run r is not told" in caplog.text


def test_links_lead_to_the_run_and_to_the_log_of_the_first_failed_shard(
    chat, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.corp/x/")
    files = failed_run(tmp_path)
    AirflowRun(context("scheduled", **planned(files)), print).tell_end()
    run = "https://airflow.corp/x/dags/opencompass_eval/runs/manual__2026-01-02T03%3A04%3A05%2B00%3A00"
    assert f"[Run]({run})" in chat.texts[0]
    assert f"[Log]({run}/tasks/infer_local/mapped/1)" in chat.texts[0]
    assert f"<{run}/tasks/summarize|Scores>" in chat.texts[1]


def test_nothing_is_logged_that_could_post(chat: ChatServer, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.DEBUG):
        NotifyOperator(task_id="notify").execute(context("scheduled", **planned(failed_run(tmp_path))))
    assert len(chat.taken) == 2
    assert chat.token not in caplog.text


class Of:
    """The task instance of one shard, as a trigger has it."""

    dag_id, run_id, task_id = "opencompass_eval", "scheduled__2026-01-02T03:04:05+00:00", "infer_local"

    def __init__(self, map_index: int) -> None:
        self.map_index = map_index


async def test_fifty_jobs_that_hang_at_once_are_one_message(chat: ChatServer, tmp_path: Path):
    files = write_run(tmp_path / "run", shards=50)
    said: list[str] = []
    await asyncio.gather(
        *(tell_hang(str(files.root), f"infer-{n:04}", "it runs and is silent", Of(n), said.append) for n in range(50))
    )
    card, blocks = chat.texts
    assert "Evaluation hangs: eval_tiny" in card
    assert "it runs and is silent" in blocks
    assert said == ["hang to opencompass_lark: delivered", "hang to opencompass_slack: delivered"]


async def test_a_trigger_tells_that_its_job_hangs_and_goes_on(chat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    files = write_run(tmp_path / "run", params={"lark": True})
    monkeypatch.setenv("OPENCOMPASS_OPS_HANG_MINUTES", "0.002")
    over = asyncio.Event()

    async def run_job(job: Any, on_status: Any, **_: Any) -> Outcome:
        on_status(JobStatus(JobState.RUNNING))
        await over.wait()
        return Outcome("oc-a-e1", 1, JobState.SUCCEEDED)

    monkeypatch.setattr(drive, "run_job", run_job)
    job = jobs.Job({"name": "local"}, str(files.root), "infer-0000", "oc-a-e1", 1, "g", 1)
    monkeypatch.setattr(jobs.Job, "facts", {})
    trigger = ShardTrigger(job.to_values(), 1)
    trigger.task_instance = Of(0)
    event = asyncio.ensure_future(anext(trigger.run()))
    async with asyncio.timeout(60):
        while len(chat.taken) < 2:
            await asyncio.sleep(0.02)
    over.set()
    await event
    assert "Evaluation hangs" in chat.texts[0]
