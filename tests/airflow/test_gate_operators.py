"""Gate, approval and promotion as Airflow runs them."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.airflow

PROMOTION = {
    "series": "tiny",
    "model": "tiny-step-200",
    "step": 200,
    "weights_id": "w",
    "approval": True,
    "approval_days": 2.0,
    "version": "0.0.2",
}


class Task:
    """The part of a task instance that the operators use."""

    def __init__(self, **xcoms):
        self.xcoms, self.id, self.map_index = xcoms, "ti", -1

    def xcom_pull(self, task_ids, key="return_value"):
        return self.xcoms.get(f"{task_ids}_{key}")

    def xcom_push(self, key, value):
        self.xcoms[f"pushed_{key}"] = value


def context(**xcoms):
    task = Task(**xcoms)
    return {"ti": task, "task_instance": task}


@pytest.fixture
def judged(monkeypatch):
    """The gate's verdict, as the operator gets it, and the promotion that Airflow knows already."""
    from opencompass_ops.gates.record import GateRecord, Promotion, Scored

    def set_verdict(outcome, mode="enforce", promotion=False, known=None):
        scores = (Scored("tiny-step-200", "sums", "accuracy", 200, 61.5, 1.25, 1000),)
        record = GateRecord(outcome, mode, promotion=Promotion(**PROMOTION) if promotion else None, scores=scores)
        monkeypatch.setattr("opencompass_ops.operators.gate.last_promotion", lambda series: known)
        monkeypatch.setattr("opencompass_ops.gating.gate", lambda run_dir, database_url: record)
        monkeypatch.setattr("opencompass_ops.hooks.results.results_url", lambda: "sqlite://")

    return set_verdict


def execute_gate(dry_run=False):
    from opencompass_ops.operators.gate import GateOperator

    planned = context(plan_return_value={"run_dir": "/runs/1", "dry_run": dry_run})
    GateOperator(task_id="gate").execute(planned)
    return planned["ti"].xcoms


def test_a_failed_gate_that_is_enforced_fails_its_task_and_is_not_tried_again(judged):
    from opencompass_ops.dag_factory import ONLY_OTHERS_FAULTS
    from opencompass_ops.errors import GateFailed

    judged("fail")
    with pytest.raises(GateFailed) as failed:
        execute_gate()
    decision = ONLY_OTHERS_FAULTS["retry_policy"].evaluate(failed.value, 1, 3)
    assert decision.action.value == "fail"


@pytest.mark.parametrize(("outcome", "mode"), [("fail", "report"), ("inconclusive", "enforce"), ("skipped", "enforce")])
def test_what_is_no_enforced_failure_is_green_and_told(judged, outcome, mode):
    judged(outcome, mode)
    left = execute_gate()
    assert left["pushed_gate"]["outcome"] == outcome
    assert left["pushed_gate"]["is_red"] is False
    assert left["pushed_promotion"] is None


def test_a_dry_run_is_not_judged():
    assert "pushed_gate" not in execute_gate(dry_run=True)


def test_a_checkpoint_to_promote_is_handed_on(judged):
    judged("pass", promotion=True)
    left = execute_gate()
    assert left["pushed_promotion"] == PROMOTION
    question = left["pushed_question"]
    assert (
        "Version **0.0.2**: **tiny-step-200**, step 200, would become the best checkpoint of series **tiny**"
        in question
    )
    assert "| sums      | accuracy | 61.50   | 1.25   | 1000 |" in question
    assert "Without an answer within 2 days it is not promoted." in question


@pytest.mark.parametrize(
    ("known", "is_new"),
    [(PROMOTION, False), ({**PROMOTION, "weights_id": "v"}, True), ({**PROMOTION, "step": 100}, True)],
)
def test_what_is_the_best_already_is_not_promoted_again_when_a_run_is_cleared(judged, known, is_new):
    judged("pass", promotion=True, known=known)
    assert bool(execute_gate()["pushed_promotion"]) is is_new


def test_the_last_promotion_is_asked_of_airflow_by_the_asset_of_the_series(monkeypatch):
    from airflow.sdk.execution_time import task_runner
    from airflow.sdk.execution_time.comms import AssetEventsResult

    from opencompass_ops.operators.gate import last_promotion

    asked, events = [], []
    comms = SimpleNamespace(send=lambda asking: asked.append(asking) or AssetEventsResult(asset_events=events))
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", comms, raising=False)
    assert last_promotion("tiny") is None
    (only,) = asked
    assert (only.uri, only.ascending, only.limit) == ("checkpoint://tiny/best", False, 1)


def test_every_series_has_an_asset_of_its_own():
    from opencompass_ops.operators.gate import best_of

    names = ["a", "a#b", "a?b", "a/b", "/a", "a b", "a%20b", "模型"]
    assert len({best_of(name).uri for name in names}) == len(names)
    assert best_of("Llama-3_8B").uri == "checkpoint://Llama-3_8B/best"


def test_nothing_to_promote_skips_the_approval_and_what_follows():
    from airflow.sdk.exceptions import AirflowSkipException

    from opencompass_ops.operators.gate import ApproveOperator

    with pytest.raises(AirflowSkipException):
        ApproveOperator(task_id="approve").execute(context())


def test_without_approval_nobody_is_asked():
    from opencompass_ops.operators.gate import ApproveOperator

    ApproveOperator(task_id="approve").execute(context(gate_promotion={**PROMOTION, "approval": False}))


def test_a_person_is_asked_by_airflows_own_means_and_told_which_checkpoint_it_is(monkeypatch):
    from airflow.sdk.exceptions import TaskAwaitingInput

    from opencompass_ops.operators.gate import ApproveOperator

    asked = {}
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **said: asked.update(said)
    )
    with pytest.raises(TaskAwaitingInput) as waiting:
        ApproveOperator(task_id="approve").execute(context(gate_promotion=PROMOTION, gate_question="the results"))
    assert asked["subject"] == "Promote 0.0.2 of tiny?"
    assert asked["body"] == "the results"
    assert asked["options"] == ["Approve", "Reject"]
    assert asked["defaults"] == ["Reject"]
    assert waiting.value.timeout == timedelta(days=2)


@pytest.mark.parametrize(
    ("chosen", "timed_out", "said"),
    [("Approve", False, "approved"), ("Reject", False, "rejected"), ("Reject", True, "expired")],
)
def test_the_answer_is_left_for_who_tells_how_the_run_ended(chosen, timed_out, said):
    from airflow.sdk import DAG
    from airflow.sdk.exceptions import DownstreamTasksSkipped

    from opencompass_ops.operators.gate import ApproveOperator, PromoteOperator

    place = context()
    with DAG("asks"):
        place["task"] = ApproveOperator(task_id="approve")
        place["task"] >> PromoteOperator(task_id="promote")
    event = {
        "chosen_options": [chosen], "params_input": {}, "responded_at": datetime.now(UTC), "responded_by_user": None,
        "timedout": timed_out,
    }  # fmt: skip
    with nullcontext() if chosen == "Approve" else pytest.raises(DownstreamTasksSkipped):
        place["task"].execute_complete(place, event)
    assert place["ti"].xcoms["pushed_answer"] == said


def test_a_question_that_was_lost_is_asked_again():
    from opencompass_ops.dag_factory import build_eval_dag

    # the scheduler takes an answer for a killed task when it comes before the scheduler has seen the wait
    assert build_eval_dag().get_task("approve").retries > 0


def test_a_promotion_is_an_event_of_the_assets_of_its_series():
    from opencompass_ops.operators.gate import PROMOTED, PromoteOperator

    events = []
    accessor = SimpleNamespace(add=lambda asset, extra: events.append((asset.uri, extra)))
    place = context(gate_promotion=PROMOTION) | {"outlet_events": {PROMOTED: accessor}}
    assert PromoteOperator(task_id="promote").execute(place) == PROMOTION
    assert events == [("checkpoint://tiny/best", PROMOTION)]
