"""Gate, approval and promotion under a live scheduler: what is red, who is asked, and which asset has an event."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from live_world import DAG, World, until

from chat_servers import chat_server
from opencompass_ops.contract import layout
from opencompass_ops.messages.channels import LARK_CONNECTION
from opencompass_ops.results.rows import PairRows, RunRow, ScoreRow
from opencompass_ops.results.store import Store
from opencompass_ops.series.ledger import Ledger

pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]

MODEL = "gated-step-200"
POLICY = {"mode": "enforce", "max_drop": 10, "promote": "better", "approval": True}
A_MINUTE = 1.01 / 24 / 60
"""The shortest time for an answer, in days."""
GREEN = dict.fromkeys(("summarize", "gate", "approve", "promote"), "success")


@pytest.fixture(scope="module")
def runs(world: World) -> dict[str, str]:
    """By series a run that judges the same checkpoint: only the first has jobs, the others reuse its answers.

    The checkpoint of step 100 is prepared: in series ``worse`` it has every item right, in the others none. Series
    ``approved`` has evaluated two checkpoints, this one as its second.
    """
    config = world.config("gated", rows=40)
    asked: dict[str, Any] = {"model_overrides": [{"path": str(world.place / "model"), "abbr": MODEL}]}
    first = world.start(config, **asked, gate="off")
    world.assert_green(first)
    with Store.open(f"sqlite:///{world.folder / 'results.db'}") as store:
        (row,) = [row for row in store.history() if row.run_dir == str(world.run_dir(first))]
        for series in ("worse", "approved", "rejected"):
            prepare(store, world.place / "prepared" / series, row, series, is_right=series == "worse")
    with Ledger.open(f"sqlite:///{world.folder / 'results.db'}") as ledger, ledger.exclusive("approved") as book:
        for weights, step in (("prepared", 100), (row.weights_id, 200)):
            book.begin(digest=weights, fingerprint="f", suite="gated", name=f"step-{step}", step=step)
    return {
        series: world.start(config, **asked, series=series, gate=json.dumps(POLICY))
        for series in ("worse", "approved", "rejected")
    }


def prepare(store: Store, folder: Path, row: ScoreRow, series: str, *, is_right: bool) -> None:
    """Record what an earlier checkpoint of the series is supposed to have answered."""
    path = folder / layout.result("gated-step-100", row.dataset)
    shutil.copytree(Path(row.path).parent, path.parent)
    samples = path.with_suffix(".samples.jsonl")
    lines = [json.loads(line) for line in samples.read_text().splitlines()]
    samples.write_text("\n".join(json.dumps({**line, "prediction": f"step 100: {line['idx']}"}) for line in lines))
    score = replace(
        row, run_dir=str(folder), model="gated-step-100", step=100, series=series, path=str(path),
        value=100.0 * is_right, evaluation_fingerprint=f"prepared-{series}", weights_id="prepared",
    )  # fmt: skip
    items = [
        replace(item, evaluation_fingerprint=score.evaluation_fingerprint, correct=is_right, score=float(is_right))
        for item in store.samples(row.evaluation_fingerprint)
    ]
    run = RunRow(str(folder), "20261121_120000", "c", "c", "all", "complete", 1, 1, "", row.created_at)
    store.record_run(run, [PairRows(score.model, score.dataset, (), (score,), tuple(items))])


def states(world: World, run: str) -> dict[str, str]:
    return {task: world.instances(run, task)[0]["state"] for task in GREEN}


def promotions(world: World, series: str) -> list[dict[str, Any]]:
    """The events of the asset ``checkpoint://SERIES/best``, as any client of Airflow sees them."""
    events = world.airflow.rest.request("GET", "assets/events", params={"source_task_id": "promote", "limit": 100})
    return [event for event in events["asset_events"] if event["uri"] == f"checkpoint://{series}/best"]


def question(world: World, run: str) -> dict[str, Any]:
    """What a person is asked, once the run waits for the answer."""
    until(lambda: world.instances(run, "approve")[0]["state"] == "awaiting_input", "question", 240)
    found: dict[str, Any] = world.airflow.rest.request("GET", _details(run))
    return found


def answer(world: World, run: str, option: str) -> None:
    """Answer as a person would, not before the scheduler has seen the wait: Airflow asks again then, a few times."""
    for _ in range(2):
        seen = _scheduler_beat(world)
        until(lambda before=seen: _scheduler_beat(world) != before, "a turn of the scheduler")

    def is_taken() -> bool:
        state = world.instances(run, "approve")[0]["state"]
        if state == "awaiting_input":
            with suppress(RuntimeError):  # answered, and not resumed yet
                said = {"chosen_options": [option], "params_input": {}}
                world.airflow.rest.request("PATCH", _details(run), json=said)
        return bool(state == "success")

    until(is_taken, "answer", 240)


def _scheduler_beat(world: World) -> str:
    health = world.airflow.rest.request("GET", "monitor/health")
    return str(health["scheduler"]["latest_scheduler_heartbeat"])


def _details(run: str) -> str:
    return f"dags/{DAG}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"


def test_a_worse_checkpoint_fails_in_the_gate_which_names_dataset_and_items_and_nothing_is_promoted(
    world: World, runs: dict[str, str]
):
    run = runs["worse"]
    assert world.wait(run) == "failed"
    assert states(world, run) == {**GREEN, "gate": "failed", "approve": "upstream_failed", "promote": "upstream_failed"}
    assert world.instances(run, "gate")[0]["try_number"] == 1
    said = world.log(run, "gate")
    assert "gate failed: gated-step-200/sums accuracy" in said
    assert "gated-step-200/sums lost 40 items" in said
    assert "before: step 100: 4" in said
    assert "asked: gated 4+5=" in said
    assert world.xcom(run, "gate", "gate")["outcome"] == "fail"
    assert promotions(world, "worse") == []


def test_what_a_person_approves_is_promoted_and_a_gate_that_judges_again_promotes_it_no_second_time(
    world: World, runs: dict[str, str]
):
    run = runs["approved"]
    asked = question(world, run)
    assert asked["subject"] == "Promote 0.0.2 of approved?"
    assert f"Version **0.0.2**: **{MODEL}**, step 200" in asked["body"]
    assert "gate pass: 1 of 1 comparisons passed" in asked["body"]
    assert re.search(r"\| sums +\| accuracy +\|.*\| gated-step-100 \(previous, best\) \|", asked["body"])
    assert "within 7 days" in asked["body"]
    assert promotions(world, "approved") == []
    answer(world, run, "Approve")
    world.assert_green(run)
    assert states(world, run) == GREEN
    (event,) = promotions(world, "approved")
    assert event["source_run_id"] == run
    named = {"series": "approved", "model": MODEL, "step": 200, "version": "0.0.2"}
    assert event["extra"] | named == event["extra"]

    world.clear(run, "summarize", -1)
    until(lambda: world.instances(run, "promote")[0]["state"] is None, "clear")
    world.assert_green(run)
    assert states(world, run) == {**GREEN, "approve": "skipped", "promote": "skipped"}
    assert "gated-step-200 is the best of approved already" in world.log(run, "gate", attempt=2)
    assert promotions(world, "approved") == [event]


def test_what_a_person_rejects_is_not_promoted_the_run_stays_green_and_clear_asks_again(
    world: World, runs: dict[str, str]
):
    run = runs["rejected"]
    question(world, run)
    answer(world, run, "Reject")
    world.assert_green(run)
    assert states(world, run) == {**GREEN, "promote": "skipped"}
    assert promotions(world, "rejected") == []

    world.clear(run, "gate", -1)
    question(world, run)
    answer(world, run, "Approve")
    world.assert_green(run)
    assert states(world, run) == GREEN
    assert [event["extra"]["model"] for event in promotions(world, "rejected")] == [MODEL]


def test_what_nobody_answers_in_time_is_not_promoted_and_a_chat_is_told(world: World, runs: dict[str, str]):
    config = str(world.folder / "configs" / "eval_gated.py")
    asked: dict[str, Any] = {"model_overrides": [{"path": str(world.place / "model"), "abbr": MODEL}]}
    with chat_server(secret="s") as chat:
        body = {"connection_id": LARK_CONNECTION, "conn_type": "lark", "host": chat.address, "password": chat.token}
        world.airflow.rest.request("POST", "connections", json=body | {"extra": json.dumps({"secret": "s"})})
        try:
            gate = json.dumps(POLICY | {"approval_days": A_MINUTE})
            run = world.start(config, **asked, series="unanswered", gate=gate)
            question(world, run)
            world.assert_green(run, 400)
            until(lambda: "NOT promoted" in json.dumps(chat.taken), "the message of the callback")
        finally:
            world.airflow.rest.request("DELETE", f"connections/{LARK_CONNECTION}")
    assert states(world, run) == {**GREEN, "promote": "skipped"}
    assert world.xcom(run, "approve", "answer") == "expired"
    assert promotions(world, "unanswered") == []
    told = [body["card"] for body in chat.taken if "unanswered" in json.dumps(body)]  # other runs end meanwhile
    assert [card["header"]["title"]["content"] for card in told] == [
        "Evaluation done, promotion waits for approval: eval_gated",
        "Evaluation done, NOT promoted, nobody answered: eval_gated",
    ]
