"""The shape of the evaluation DAG, and what crosses process borders."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.airflow


@pytest.fixture(scope="module")
def dag():
    from opencompass_ops.dag_factory import build_eval_dag

    return build_eval_dag()


def test_the_dag_survives_airflows_serialization(dag):
    from airflow.serialization.serialized_objects import DagSerialization

    again = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert set(again.task_ids) == set(dag.task_ids)


def test_one_chain_ends_the_run_so_that_a_red_summary_or_gate_makes_it_red(dag):
    beside = [task for task in dag.tasks if task.is_teardown and not task.on_failure_fail_dagrun]
    assert [task.task_id for task in beside] == ["announce", "notify"]
    counting = [task for task in dag.tasks if not task.is_teardown]
    leaves = [task for task in counting if all(dag.get_task(below).is_teardown for below in task.downstream_task_ids)]
    assert [task.task_id for task in leaves] == ["promote"]
    for task, before in (("promote", "approve"), ("approve", "gate"), ("gate", "summarize")):
        assert dag.get_task(task).upstream_task_ids == {before}
        assert dag.get_task(task).trigger_rule.value == "all_success"


def test_the_message_waits_for_the_gate(dag):
    assert dag.get_task("notify").upstream_task_ids == {"gate"}


def test_a_skipped_or_failed_kind_does_not_skip_what_follows(dag):
    for kind in ("local", "slurm"):
        for follower in dag.get_task(f"infer_{kind}").downstream_list + dag.get_task(f"eval_{kind}").downstream_list:
            assert follower.trigger_rule.value == "all_done", follower.task_id


def test_scores_wait_for_the_inference_of_every_kind(dag):
    for kind in ("local", "slurm"):
        assert dag.get_task(f"eval_{kind}").upstream_task_ids >= {"infer_local", "infer_slurm"}


def test_tables_wait_for_the_scores_of_every_kind_and_a_failed_score_does_not_stop_them(dag):
    for kind in ("local", "slurm"):
        tables = dag.get_task(f"viz_{kind}")
        assert tables.upstream_task_ids >= {"eval_local", "eval_slurm"}
        assert tables.trigger_rule.value == "all_done"
        assert tables.downstream_task_ids == {"summarize"}


def test_a_kind_of_which_the_run_has_no_shards_expands_to_nothing_and_is_skipped(dag):
    planned = {"mapping": {"infer": {"slurm": [{"run_dir": "r", "shard": "s", "title": "t"}]}, "eval": {}, "viz": {}}}
    expanded = {
        f"{stage}_{kind}": dag.get_task(f"{stage}_shards_{kind}").python_callable(planned)
        for stage in ("infer", "eval", "viz")
        for kind in ("local", "slurm")
    }
    assert expanded.pop("infer_slurm") == planned["mapping"]["infer"]["slurm"]
    assert list(expanded.values()) == [[]] * 5


def test_the_graph_shows_nine_boxes_until_one_is_opened(dag):
    boxes = {"plan", "announce", "infer", "eval", "viz", "summarize", "gate", "promotion", "notify"}
    assert set(dag.task_group.children) == boxes


def test_the_form_shows_every_parameter_that_has_an_effect_once(dag):
    from opencompass_ops.planning.params import PARAMETERS

    assert list(dag.params) == [parameter.name for parameter in PARAMETERS if parameter.is_live]


def test_the_form_proposes_the_shipped_evaluations_and_clusters(dag):
    offered = {name: dag.params.get_param(name).schema.get("examples") for name in ("config", "cluster")}
    assert offered == {
        "config": ["eval_bbh", "eval_demo", "eval_gsm8k", "eval_tiny"],
        "cluster": ["local", "slurm", "slurm_ssh"],
    }


def test_the_form_refuses_a_value_of_the_wrong_type(dag):
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        dag.params["max_num_workers"] = "many"


@pytest.mark.parametrize(
    ("path", "kwargs"),
    [
        ("opencompass_ops.triggers.shard.ShardTrigger", {"job": {"token": "oc-1"}, "try_number": 2}),
        ("opencompass_ops.triggers.job.JobTrigger", {"cluster": {"name": "local"}, "jobs": ["oc-1"]}),
    ],
)
def test_a_trigger_can_be_rebuilt_in_another_process(path, kwargs):
    from airflow.sdk.module_loading import import_string

    trigger = import_string(path)(**kwargs)
    classpath, serialized = trigger.serialize()
    assert classpath == path
    assert import_string(classpath)(**serialized).serialize() == trigger.serialize()


def test_the_retry_policy_asks_the_runs_own_budget():
    from airflow.sdk.definitions.retry_policy import RetryAction

    from opencompass_ops.errors import JobFailed
    from opencompass_ops.operators.retries import ShardRetryPolicy

    policy = ShardRetryPolicy(ceiling=20)
    failed = JobFailed("x")
    assert policy.evaluate(failed, 1, 20, {"params": {"retry": 1}}).action is RetryAction.RETRY
    assert policy.evaluate(failed, 1, 20, {"params": {"retry": 0}}).action is RetryAction.FAIL


def test_the_retry_policy_knows_that_the_stages_of_a_run_may_try_differently_often(tmp_path):
    from types import SimpleNamespace

    from airflow.sdk.definitions.retry_policy import RetryAction

    from opencompass_ops.contract import layout
    from opencompass_ops.contract.plan import Plan, PlannedShard, PlannedStage
    from opencompass_ops.errors import JobFailed
    from opencompass_ops.operators.retries import ShardRetryPolicy

    shards = {kind: (PlannedShard(f"{kind}-0", kind, "local", kind, "m", (), 1, 1.0),) for kind in ("infer", "eval")}
    plan = Plan(
        stamp="s", run_dir=str(tmp_path), instance="i", mode="all", config="c", config_fingerprint="", params={},
        cluster={"name": "a"}, max_num_workers=1, retry=1, models=(), datasets=(), pairs=(), shards=shards["infer"],
        evaluations=shards["eval"], evaluation=PlannedStage({"name": "b"}, 1, 0),
    )  # fmt: skip
    (tmp_path / layout.PLAN).write_text(plan.to_json())
    decided = {}
    for kind in ("infer", "eval"):
        context = {"params": {"retry": 5}, "task": SimpleNamespace(run_dir=str(tmp_path), shard=f"{kind}-0")}
        decided[kind] = ShardRetryPolicy(ceiling=20).evaluate(JobFailed("x"), 1, 20, context).action
    assert decided == {"infer": RetryAction.RETRY, "eval": RetryAction.FAIL}


def test_a_wrong_request_is_not_planned_again_but_a_killed_worker_is(dag):
    from airflow.sdk.definitions.retry_policy import RetryAction

    from opencompass_ops.errors import PlanError, UnreachableError

    for task_id in ("plan", "summarize"):
        task = dag.get_task(task_id)
        assert task.retries == 2
        assert task.retry_policy.evaluate(PlanError("x"), 1, 2).action is RetryAction.FAIL
        assert task.retry_policy.evaluate(UnreachableError("x"), 1, 2).action is RetryAction.DEFAULT
        assert task.retry_policy.evaluate(RuntimeError("x"), 1, 2).action is RetryAction.DEFAULT


def test_tries_before_a_clear_do_not_count_against_the_budget():
    from airflow.sdk.definitions.retry_policy import RetryAction

    from opencompass_ops.errors import JobFailed
    from opencompass_ops.operators.retries import ShardRetryPolicy

    policy = ShardRetryPolicy(ceiling=20)
    # Two tries failed, then a user cleared the task: Airflow raises max_tries to 2 + 20.
    after_clear = JobFailed("x", earlier=("JobFailed", "JobFailed"))
    assert policy.evaluate(after_clear, 3, 22, {"params": {"retry": 1}}).action is RetryAction.RETRY
