"""The only file that wires tasks: plan, one mapped operator per stage and cluster kind, summarize, gate, messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from airflow.sdk import DAG, Param, TaskGroup, TriggerRule, task
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule

from opencompass_ops.configs.library import offered
from opencompass_ops.notifications.callbacks import tell_end
from opencompass_ops.operators.gate import ApproveOperator, GateOperator, PromoteOperator
from opencompass_ops.operators.local import LocalOperator
from opencompass_ops.operators.notify import AnnounceOperator, NotifyOperator
from opencompass_ops.operators.plan import PlanOperator
from opencompass_ops.operators.retries import ShardRetryPolicy
from opencompass_ops.operators.shard import ShardOperator
from opencompass_ops.operators.slurm import SlurmOperator
from opencompass_ops.operators.summarize import SummarizeOperator
from opencompass_ops.planning.params import form
from opencompass_ops.planning.table.limits import HOURS_OFFERED
from opencompass_ops.suites import read_published, versions

OPERATORS: tuple[type[ShardOperator], ...] = (LocalOperator, SlurmOperator)
"""One operator per cluster kind; a kind without shards is skipped."""

RETRIES = 100
"""Fixed when the DAG is parsed, so it is only the ceiling; the run's ``retry`` and the budgets decide."""

DELAY = timedelta(seconds=10)
"""Before tries that no policy was asked about: a killed worker raises nothing, and Airflow 3.3 marks a task
up_for_retry whose trigger fired before the scheduler had read that the task deferred."""

ONLY_OTHERS_FAULTS: dict[str, Any] = {
    "retries": 2,
    "retry_delay": DELAY,
    "retry_policy": ExceptionRetryPolicy(
        rules=[
            RetryRule("opencompass_ops.errors.UnsureError", RetryAction.DEFAULT, reason="the cluster did not answer"),
            RetryRule("opencompass_ops.errors.OpsError", RetryAction.FAIL, reason="would happen again"),
        ]
    ),
}
"""For a task that is tried again when its worker was killed or its cluster did not answer, and not else."""

BESIDE: dict[str, Any] = {"retries": 0, "execution_timeout": timedelta(minutes=2)}
"""For a task that tells a chat: a teardown does not count for the run's state, and the run does not wait for tries."""

DOC = """\
### Evaluate models on datasets
Press *Trigger*, choose a **config**, and *Trigger* again. *Rows per dataset* keeps only the first rows: use it for a
first run. *Checkpoints* take the place of the config's one model, and each becomes a column of the score table:

```json
[{"path": "/ckpt/step-1000"},
 {"path": "/ckpt/step-2000", "abbr": "last"}]
```

| task | what its log says |
|---|---|
| `plan` | what runs and what is reused; or, in one message, what is wrong with the request |
| `infer_local`, `infer_slurm` | one entry per part: states of its job; when it failed, the job's last lines |
| `eval_local`, `eval_slurm` | the same for the scores |
| `viz_local`, `viz_slurm` | only with a summarizer that only OpenCompass has: how its tables were made |
| `summarize` | the score table, and what is missing |
| `gate` | whether the newest checkpoint is worse than earlier ones, and on which items |
| `approve`, `promote` | who was asked, and what became the best of its series; skipped where nothing did |
| `announce`, `notify` | which chat was told; red when a message was not delivered, which changes nothing else |

Jobs run on one kind of cluster; the tasks of the other kinds are skipped, and that is no failure. The XCom `job` of an
entry names its cluster, its job and its log. *Clear* tries a part again; *mark failed* cancels its job, also while it
waits or runs on the cluster.

Tables and plots lie in the run folder under `summary/`. A run that was stopped or failed goes on with *Reuse run*
`latest`: what is answered is never asked again.
"""


SUITE_DOC = """\
### Evaluate a checkpoint on a suite
Press *Trigger*, name the **checkpoint**, and *Trigger* again. What is asked, how, and in which image stands in the
version that the suite's lead has published; only what the form shows can be set.
"""


def build_eval_dag(dag_id: str = "opencompass_eval", default_args: Mapping[str, Any] | None = None) -> DAG:
    """The on-demand evaluation DAG; its form comes from the one table of parameters.

    :param dag_id: the DAG's id.
    :param default_args: Airflow's arguments for every task, e.g. ``queue``, or ``execution_timeout``, which also counts
        while a job waits and runs; see :class:`ShardOperator`.
    """
    clusters = offered("clusters")
    hours = dict.fromkeys(("shard_hours", "run_hours"), HOURS_OFFERED)
    fields = form({"config": offered(), "cluster": clusters, "eval_cluster": clusters, **hours})
    return _build(dag_id, fields, DOC, default_args)


def build_suite_dag(name: str, default_args: Mapping[str, Any] | None = None) -> DAG:
    """The DAG of a published suite: its form shows a version and what the newest one's allow-list names.

    :param name: the suite's name; the DAG is called ``opencompass_suite_NAME``.
    :param default_args: as for :func:`build_eval_dag`.
    :raises ConfigError: no version is published.
    """
    known = [f"{name}@{version}" for version in reversed(versions(name))]
    newest = read_published(known[0] if known else f"{name}@1")
    version = {
        "default": known[0],
        "type": "string",
        "enum": known,
        "title": "Version",
        "description": newest.title or "What is evaluated: a version that the suite's lead has published.",
    }
    fields = {"config": version, **form({"cluster": offered("clusters")}, newest.fields())}
    return _build(f"opencompass_suite_{name}", fields, SUITE_DOC, default_args)


def _build(dag_id: str, fields: dict[str, dict[str, Any]], doc: str, default_args: Mapping[str, Any] | None) -> DAG:
    params = {name: Param(**schema) for name, schema in fields.items()}
    common: dict[str, Any] = {"doc_md": doc, "tags": ["opencompass"], "default_args": dict(default_args or {})}
    common |= {"on_failure_callback": tell_end, "on_success_callback": tell_end}
    with DAG(dag_id, schedule=None, params=params, **common) as dag:
        plan = PlanOperator(task_id="plan", **ONLY_OTHERS_FAULTS)
        infer = _stage("infer", plan, TriggerRule.ALL_SUCCESS)
        score = _stage("eval", plan, TriggerRule.ALL_DONE)
        summarize = SummarizeOperator(task_id="summarize", trigger_rule=TriggerRule.ALL_DONE, **ONLY_OTHERS_FAULTS)
        for before in infer:
            before >> score
        tables = _stage("viz", plan, TriggerRule.ALL_DONE)
        for before in score:
            before >> tables
        [plan, *infer, *score, *tables] >> summarize
        gate = GateOperator(task_id="gate", **ONLY_OTHERS_FAULTS)
        with TaskGroup("promotion", prefix_group_id=False):
            approve = ApproveOperator(task_id="approve", **ONLY_OTHERS_FAULTS)
            promote = PromoteOperator(task_id="promote", **ONLY_OTHERS_FAULTS)
        summarize >> gate >> approve >> promote
        plan >> AnnounceOperator(task_id="announce", **BESIDE).as_teardown()
        gate >> NotifyOperator(task_id="notify", **BESIDE).as_teardown()
    return dag


def _stage(stage: str, plan: PlanOperator, rule: TriggerRule) -> list[Any]:
    """One mapped operator per kind, in a group that the graph shows as one box until it is opened."""
    with TaskGroup(stage, prefix_group_id=False):
        return [_mapped(kind, plan, stage, rule) for kind in OPERATORS]


def _mapped(operator: type[ShardOperator], plan: PlanOperator, stage: str, rule: TriggerRule) -> Any:
    kind = operator.cluster_kind

    @task(task_id=f"{stage}_shards_{kind}")
    def shards(planned: dict[str, Any]) -> list[dict[str, str]]:
        """Only a return value can be mapped over, so each kind's list gets a task."""
        return list(planned["mapping"][stage].get(kind, []))

    return operator.partial(
        task_id=f"{stage}_{kind}",
        trigger_rule=rule,
        retries=RETRIES,
        retry_delay=DELAY,
        retry_policy=ShardRetryPolicy(ceiling=RETRIES),
        map_index_template="{{ task.title }}",
    ).expand_kwargs(shards(cast("Any", plan.output)))
