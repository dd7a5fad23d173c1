"""Messages under a live scheduler: one for each end of a run, and none of them decides how the run ended."""

from __future__ import annotations

import pytest
from live_world import DAG, World, until

from chat_servers import ChatServer, Reply
from opencompass_ops.contract import layout
from opencompass_ops.messages.ledger import RunLedger

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]


def test_a_failed_run_is_told_once_also_after_a_clear_and_what_was_not_delivered_is_told_by_the_callback(
    world: World, chat: ChatServer
):
    config = world.config("told", rows=8)
    gate = world.fail("infer-0000")
    run = world.start(config, retry=0, lark=True)
    assert world.wait(run, 600) == "failed"
    assert _of(chat, "eval_told") == ["评测已启动：eval_told", "评测失败：eval_told"]
    assert "this job was told to fail" in chat.texts[1]
    assert f"/dags/{DAG}/runs/" in chat.texts[1]
    assert [world.instances(run, task)[0]["state"] for task in ("summarize", "notify")] == ["failed", "success"]

    world.clear(run, world.infer, 0)
    assert world.wait(run, 600) == "failed"
    assert world.instances(run, "notify")[0]["try_number"] == 2
    assert len(chat.taken) == 2
    assert "not repeated" in world.log(run, "notify", attempt=2)

    gate.unlink()
    chat.faults = [Reply(403, "forbidden"), Reply(403, "forbidden")]
    well = world.start(world.config("untold", rows=8), lark=True)
    world.assert_green(well, 600)
    assert world.instances(well, "notify")[0]["state"] == "failed"
    assert "NOT delivered: HTTP 403" in world.log(well, "notify")
    until(lambda: len(chat.taken) > 2, "the message of the callback")  # those of the first run came before it
    assert _of(chat, "eval_untold") == ["评测完成：eval_untold"]
    delivered = [entry.delivered for entry in RunLedger(str(world.run_dir(well))).entries()]
    assert delivered == [False, False, True]  # start and end, then the end by the callback

    for name in (run, well):
        for file in world.run_dir(name).rglob("*"):
            assert not file.is_file() or chat.token.encode() not in file.read_bytes(), file
        assert chat.token not in world.log(name, "notify")
    assert (world.run_dir(run) / layout.NOTIFICATIONS).exists()


def _of(chat: ChatServer, evaluation: str) -> list[str]:
    """Titles of one evaluation's messages: a run of another test may end meanwhile."""
    return [title for title in chat.titles if title.endswith(f"：{evaluation}")]
