"""An evaluation is started unless nothing of what it scores was answered."""

from __future__ import annotations

import asyncio

import pytest

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.errors import MissingParts
from opencompass_ops.runner import run_plan
from opencompass_ops.unscorable import refusal
from small_world import SmallWorld, make_world

pytestmark = pytest.mark.process


@pytest.fixture
def world(tmp_path, monkeypatch):
    yield from make_world(tmp_path, monkeypatch)


def test_only_an_evaluation_without_any_answer_is_refused_and_partial_ones_name_what_is_missing(world: SmallWorld):
    world.rows(40)
    prepared = world.prepare(world.config(), max_partition_size=400, retry=0)
    run_dir, (evaluation,) = str(prepared.run_dir), prepared.plan.evaluations
    assert [refusal(run_dir, shard.id) for shard in prepared.plan.shards] == [None, None]
    refused = refusal(run_dir, evaluation.id)
    assert isinstance(refused, MissingParts)
    assert "tiny/sums: not started, because nothing of it was answered (infer-0000" in str(refused)
    assert "never ended" in str(refused)

    assert asyncio.run(run_plan(prepared.run_dir, say=lambda line: None)) == {}
    files = LocalFiles(run_dir)
    for name in ("sums_0", "sums_1"):
        files.path(layout.prediction("tiny", name)).unlink()
        # Their jobs ended well: another host's files may be late, and one part is worth a look.
        assert refusal(run_dir, evaluation.id) is None


@pytest.mark.airflow
def test_its_task_fails_without_a_job_and_is_not_tried_again(world: SmallWorld):
    from airflow.sdk.definitions.retry_policy import RetryAction

    from opencompass_ops.operators.local import LocalOperator
    from opencompass_ops.operators.retries import ShardRetryPolicy

    prepared = world.prepare(world.config())
    (evaluation,) = prepared.plan.evaluations
    policy = ShardRetryPolicy(ceiling=5)
    task = LocalOperator(
        task_id="t", run_dir=str(prepared.run_dir), shard=evaluation.id, retries=5, retry_policy=policy
    )
    with pytest.raises(MissingParts) as caught:
        task.execute({"ti": type("Ti", (), {"try_number": 1, "max_tries": 5})(), "params": {}})
    assert world.jobs(prepared.run_dir) == []
    assert policy.evaluate(caught.value, 1, 5, {"task": task, "params": {}}).action is RetryAction.FAIL
