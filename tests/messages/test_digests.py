"""What a run directory comes to in words: in two languages, once, however many shards failed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from chat_servers import ChatServer, Reply
from message_runs import cover, end, gate, write_run
from opencompass_ops.budgets.events import BUDGET_EXCEEDED, Event
from opencompass_ops.budgets.events import tell as tell_limit
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import Part, ShardSpec
from opencompass_ops.gates.record import GateRecord
from opencompass_ops.messages import lark, slack
from opencompass_ops.messages.channels import Channel, configured_channel, lark_channel, slack_channel
from opencompass_ops.messages.collecting import (
    Circumstances,
    ended,
    first_failure,
    hanging,
    stage_ended,
    started,
    unplanned,
)
from opencompass_ops.messages.digest import Answer, Digest, Kind, Link, Promotion
from opencompass_ops.messages.ledger import RunLedger
from opencompass_ops.messages.message import Tone, compose
from opencompass_ops.messages.telling import tell

SEEN = Circumstances(user="ann", links=(Link("run", "https://airflow/dags/d/runs/r"),))


def digest(files: LocalFiles, seen: Circumstances = SEEN) -> Digest:
    return ended(str(files.root), seen)


def text(found: Digest, language: str = "en") -> str:
    message = compose(found, language)
    return "\n".join([message.title, *(f"{line.label} {line.text}" for line in message.lines)])


def channel(chat: ChatServer, **extra: str) -> Channel:
    return lark_channel("opencompass_lark", host=chat.address, password=chat.token, extra=extra)


def told(files: LocalFiles, *channels: Channel) -> list[str]:
    """Tell the end; returns what was said about it."""
    said: list[str] = []
    tell(digest(files), channels, RunLedger(str(files.root)), said.append, seconds=5)
    return said


def fail_all(files: LocalFiles, shards: int, reason: str) -> None:
    for number in range(shards):
        end(files, f"infer-{number:04}", reason)


def test_a_whole_run_is_a_success_with_its_scores(tmp_path: Path):
    files = write_run(tmp_path)
    for shard in ("infer-0000", "infer-0001", "eval-0000"):
        end(files, shard)
    cover(files)
    found = digest(files)
    assert found.kind is Kind.SUCCESS
    assert not found.is_bad
    said = text(found)
    assert said.startswith("Evaluation done: eval_tiny")
    assert "m / sums: accuracy 56.25" in said
    assert "inference 2 ok, 0 failed; evaluation 1 ok, 0 failed" in said
    assert "1 of 1" in said


def test_two_hundred_failures_are_one_message_with_their_reasons_grouped(tmp_path: Path, chat: ChatServer):
    files = write_run(tmp_path, shards=200)
    fail_all(files, 150, "{token}: CUDA error on node-17, see /ckpt/step-1000")
    for number in range(150, 199):
        end(files, f"infer-{number:04}", f"exited with 1 after {number} s")
    cover(files, "part sums_0: predictions/m/sums_0.json is missing")
    slackers = slack_channel("opencompass_slack", chat.slack_url, {})
    assert told(files, channel(chat), slackers) == [
        "failure to opencompass_lark: delivered",
        "failure to opencompass_slack: delivered",
    ]
    assert len(chat.taken) == 2
    for said in (text(digest(files)), *chat.texts):
        assert "150 x " in said
        assert "49 x " in said
    assert "and 147 more" in text(digest(files))
    assert "Failed (201)" in text(digest(files))  # one shard and the evaluation were never started
    assert len(json.dumps(chat.taken[0])) < 3000


def test_the_same_failure_after_a_retry_or_a_clear_is_not_told_again(tmp_path: Path, chat: ChatServer):
    files = write_run(tmp_path)
    fail_all(files, 2, "{token} exited with 1")
    cover(files, "missing")
    assert told(files, channel(chat)) == ["failure to opencompass_lark: delivered"]
    for number in range(2):
        end(files, f"infer-{number:04}", "{token} exited with 1", epoch=2)
    assert told(files, channel(chat)) == ["failure to opencompass_lark: told before, not repeated"]
    assert len(chat.taken) == 1


def test_news_after_a_clear_is_told_and_the_old_state_again_is_news_too(tmp_path: Path, chat: ChatServer):
    files = write_run(tmp_path)
    fail_all(files, 2, "boom")
    cover(files, "missing")
    told(files, channel(chat))
    for shard in ("infer-0000", "infer-0001", "eval-0000"):
        end(files, shard, epoch=2)
    cover(files)
    told(files, channel(chat))
    for number in range(2):
        end(files, f"infer-{number:04}", "boom", epoch=3)
    cover(files, "missing")
    told(files, channel(chat))
    assert [body["card"]["header"]["template"] for body in chat.taken] == ["red", "green", "red"]


def test_what_was_not_delivered_is_in_the_ledger_and_tried_again(tmp_path: Path, chat: ChatServer):
    files = write_run(tmp_path)
    fail_all(files, 2, "boom")
    chat.faults = [Reply(404, "gone")]
    (said,) = told(files, channel(chat))
    assert said.startswith("failure to opencompass_lark: NOT delivered: HTTP 404")
    assert told(files, channel(chat)) == ["failure to opencompass_lark: delivered"]
    entries = [json.loads(line) for line in files.read(layout.NOTIFICATIONS).splitlines()]
    assert [entry["delivered"] for entry in entries] == [False, True]
    assert chat.token not in files.read(layout.NOTIFICATIONS).decode()


def test_a_chinese_connection_gets_chinese(tmp_path: Path, chat: ChatServer):
    files = write_run(tmp_path)
    fail_all(files, 2, "boom")
    gate(files, "fail")
    told(files, channel(chat, language="zh"))
    (card,) = chat.texts
    assert "评测失败：eval_tiny" in card
    assert "失败" in card
    assert "门禁" in card
    assert "Evaluation" not in card


@pytest.mark.parametrize(
    ("outcome", "title", "tone", "bad"),
    [
        ("pass", "Gate passed: eval_tiny", Tone.GOOD, False),
        ("fail", "Gate FAILED: eval_tiny", Tone.BAD, True),
        ("inconclusive", "Gate inconclusive: eval_tiny", Tone.WARN, False),
    ],
)
def test_the_gate_of_a_whole_run_is_its_headline(tmp_path: Path, outcome, title, tone, bad):
    files = write_run(tmp_path)
    for shard in ("infer-0000", "infer-0001", "eval-0000"):
        end(files, shard)
    cover(files)
    gate(files, outcome)
    found = digest(files)
    assert found.is_bad is bad
    assert found.kinds == {Kind.SUCCESS, Kind.GATE}
    message = compose(found, "en")
    assert (message.title, message.tone) == (title, tone)
    assert "50 against 56.25 of step-1000, p = 0.003" in text(found)


@pytest.mark.parametrize(
    ("answer", "title", "line", "is_told"),
    [
        (Answer.WAITS, "promotion waits for approval", "is the best so far; without an answer within 7 days", True),
        (Answer.EXPIRED, "NOT promoted, nobody answered", "is not promoted: nobody answered within 7 days", True),
        (Answer.APPROVED, "promotion approved", "was approved and is promoted", False),
        (Answer.REJECTED, "promotion rejected", "was rejected and is not promoted", False),
    ],
)
def test_of_scheduled_runs_a_promotion_that_waits_or_that_nobody_answered_is_told(
    tmp_path: Path, answer, title, line, is_told
):
    files = write_run(tmp_path)
    for shard in ("infer-0000", "infer-0001", "eval-0000"):
        end(files, shard)
    cover(files)
    gate(files, "pass")
    asked = replace(SEEN, promotion=Promotion("0.0.7 (run7-step-700)", 7.0, answer))
    found = digest(files, asked)
    assert compose(found, "en").title == f"Evaluation done, {title}: eval_tiny"
    assert f"Promotion 0.0.7 (run7-step-700) {line}" in text(found)
    assert "晋级" in text(found, "zh")
    chat = Channel("c", "lark", "https://x/y")
    assert chat.wants(found, asked=False, scheduled=True) is is_told
    assert not chat.wants(found, asked=False, scheduled=False)
    assert found.key != digest(files).key


def test_a_gate_that_had_nothing_to_compare_with_is_no_news(tmp_path: Path):
    files = write_run(tmp_path)
    for shard in ("infer-0000", "infer-0001", "eval-0000"):
        end(files, shard)
    cover(files)
    files.write(layout.GATE, GateRecord("skipped", "report").to_json())
    assert text(digest(files)).startswith("Evaluation done: eval_tiny")


def test_alarms_beside_the_verdict_are_told(tmp_path: Path):
    files = write_run(tmp_path)
    cover(files)
    alert = {"model": "m", "dataset": "sums", "metric": "accuracy", "value": 40, "step": 3000}
    alert |= {"reference_value": 60, "reference_step": 1000}
    health = [{"text": "m/sums: 31 % of the answers are empty"}]
    files.write(layout.GATE, json.dumps({"outcome": "pass", "health": health, "alerts": [alert]}))
    said = text(digest(files))
    assert "Note m/sums: 31 % of the answers are empty" in said
    assert "Note m/sums: accuracy fell to 40 (step 3000) from 60 (step 1000)" in said


def test_a_gate_of_an_earlier_launch_and_a_damaged_one_tell_nothing(tmp_path: Path):
    files = write_run(tmp_path)
    gate(files, "fail")
    earlier = files.path(layout.PLAN).stat().st_mtime - 10
    os.utime(files.path(layout.GATE), (earlier, earlier))
    assert digest(files).gate is None
    for damaged in ("{", "[]", "{}", '{"outcome": 3}'):
        files.write(layout.GATE, damaged)
        assert digest(files).gate is None


def test_a_run_that_a_budget_stopped_says_so_first(tmp_path: Path):
    files = write_run(tmp_path)
    fail_all(files, 2, "cancelled: over budget")
    assert digest(files).kind is Kind.FAILURE
    for number, was_running in enumerate((True, False)):
        label = f"m/sums_{number}"
        tell_limit(
            files, Event(BUDGET_EXCEEDED, "10 GPU-hours of user 'ann'", f"infer-{number:04}", label, was_running)
        )
    found = digest(files)
    assert found.kind is Kind.BUDGET
    assert found.is_bad
    said = "Note budget exceeded: 10 GPU-hours of user 'ann': 1 shards stopped, 1 not begun"
    assert text(found).startswith(f"Budget exceeded: eval_tiny\n{said}")


def test_scores_that_could_not_be_stored_are_a_failure_though_all_is_scored(tmp_path: Path):
    files = write_run(tmp_path)
    for shard in ("infer-0000", "infer-0001", "eval-0000"):
        end(files, shard)
    cover(files)
    found = digest(files, Circumstances(problem="scores are not in the database: postgresql://u:p@host/db"))
    assert found.kind is Kind.FAILURE
    assert "scores are not in the database: postgresql://***@host/db" in text(found)


def test_a_run_without_a_plan_tells_why(tmp_path: Path):
    seen = Circumstances(user="ann", launch="manual__1", problem="eval_nowhere: there is no such config", task="plan")
    found = unplanned("eval_nowhere", seen, "pythia")
    assert found.is_bad
    assert "Series pythia" in text(found)
    assert "eval_nowhere: there is no such config" in text(found)


def test_the_start_says_what_is_planned(tmp_path: Path):
    files = write_run(tmp_path, shards=3, params={"series": "pythia"})
    said = text(started(str(files.root), SEEN))
    assert said.startswith("Evaluation started: eval_tiny")
    assert "3 of inference, 1 of evaluation" in said
    assert "pythia" in said


def test_a_hang_names_the_shards(tmp_path: Path):
    files = write_run(tmp_path)
    found = hanging(str(files.root), SEEN, ["infer-0001"], "nothing done for 30 min")
    assert found.is_bad
    assert "nothing done for 30 min (m/sums_1)" in text(found)


def test_the_link_leads_to_the_first_shard_that_failed(tmp_path: Path):
    files = write_run(tmp_path, shards=3)
    assert first_failure(str(files.root)) == ""
    end(files, "infer-0000")
    end(files, "infer-0002", "boom")
    assert first_failure(str(files.root)) == "infer_local/mapped/2"


def test_a_job_that_left_no_word_is_told_with_the_last_line_that_it_printed(tmp_path: Path):
    files = write_run(tmp_path)
    end(files, "infer-0000", "ended with code 1")
    part = Part({"abbr": "sums"}, 0, 0, 4, 8, "", "")
    spec = ShardSpec("infer-0000", "infer", {"abbr": "m"}, (part,))
    files.write(layout.shard_spec("infer-0000"), spec.to_json())
    files.write(layout.log("infer", "m", "sums_0"), "loading\nModuleNotFoundError: No module named 'torch'\n")
    assert "ended with code 1: ModuleNotFoundError: No module named 'torch'" in text(digest(files))


def test_secrets_in_a_reason_are_masked(tmp_path: Path):
    files = write_run(tmp_path)
    end(files, "infer-0000", "401 for bearer abcdefgh12345678 at https://u:pw@host/x")
    said = text(digest(files))
    assert "abcdefgh12345678" not in said
    assert "u:pw" not in said


def golden(repo: Path) -> list[dict]:
    return json.loads((repo / "tests/golden/lark/reports.json").read_text())


def test_status_reports_are_those_of_opencompass(tmp_path: Path, chat: ChatServer, repo: Path):
    """``tests/recorders/lark_reports.py`` made the golden file with OpenCompass itself."""
    files = write_run(tmp_path)
    tell(started(str(tmp_path), SEEN), [configured_channel(chat.lark_url)], RunLedger(str(tmp_path)), print)
    end(files, "infer-0000")
    end(files, "infer-0001", "boom")
    for shard in ("eval-0000",):
        end(files, shard)
    for name in ("infer", "eval"):
        found = stage_ended(str(tmp_path), SEEN, name)
        tell(found, [configured_channel(chat.lark_url)], RunLedger(str(tmp_path)), print)
    cover(files)
    told(files, configured_channel(chat.lark_url))
    launch, great, bad, *_ = golden(repo)
    assert chat.taken[0] == launch

    def shape(body: dict) -> tuple[str, str]:
        post = body["content"]["post"]["zh_cn"]
        return post["title"], post["content"][0][0]["text"]

    names = {"OpenICLInfer[m/a]": "OpenICLInfer[m/sums_0]", "OpenICLInfer[m/b,m/c]": "OpenICLInfer[m/sums_1]"}

    def renamed(body: dict) -> tuple[str, str]:
        title, content = shape(body)
        for old, new in names.items():
            content = content.replace(old, new)
        return title, content

    assert shape(chat.taken[1]) == renamed(bad)
    assert shape(chat.taken[2]) == (
        shape(great)[0],
        "ann's OpenICLEvalTask tasks finished. 1 tasks succeeded.\nOpenICLEval[m/sums]",
    )
    # The run was whole after all: what failed was made up for, which is told; the evaluation was told already.
    assert shape(chat.taken[3]) == renamed(great)
    assert (
        chat.taken[4]["content"]["text"] == f"ann 的详细评测汇总已输出至 {tmp_path}/summary/summary_20260102_030405.txt"
    )
    assert len(chat.taken) == 5


def test_a_status_report_of_a_thousand_tasks_keeps_lark_s_limit(tmp_path: Path, chat: ChatServer):
    files = write_run(tmp_path, shards=1000)
    told(files, configured_channel(chat.lark_url))
    (infer, *_) = chat.taken
    content = infer["content"]["post"]["zh_cn"]["content"][0][0]["text"]
    assert infer["content"]["post"]["zh_cn"]["title"] == "Bad news: 1000 failed."
    assert content.splitlines()[-1].startswith("... and ")
    assert lark.fits(infer)
    assert chat.refused == []


def test_both_services_take_the_same_digest(tmp_path: Path):
    files = write_run(tmp_path, shards=50)
    message = compose(digest(files), "en")
    assert lark.card(message)["msg_type"] == "interactive"
    assert slack.blocks(message)["blocks"][0]["type"] == "header"
