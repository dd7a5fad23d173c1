"""The only file that wires tasks: plan, one mapped operator per cluster kind, mapped eval, summarize."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

from airflow.sdk import DAG, Param, TriggerRule, task

from opencompass_ops.operators.local import LocalOperator
from opencompass_ops.operators.plan import PlanOperator
from opencompass_ops.operators.retries import ShardRetryPolicy
from opencompass_ops.operators.shard import ShardOperator
from opencompass_ops.operators.summarize import SummarizeOperator
from opencompass_ops.planning.params import form

OPERATORS: tuple[type[ShardOperator], ...] = (LocalOperator,)
"""One operator per cluster kind; a kind without shards is skipped."""

RETRIES = 20
"""Fixed when the DAG is parsed, so it is only the ceiling; the run's ``retry`` and the budgets decide."""

DOC = """\
### Evaluate models on datasets
Name a **config** and press *Trigger*. `limit` keeps the first rows of every dataset: use it for a first run.
The score table stands in the log of `summarize`; tables and plots lie in the run directory under `summary/`.
"""


def build_eval_dag(dag_id: str = "opencompass_eval") -> DAG:
    """The on-demand evaluation DAG; its form comes from the one table of parameters.

    :param dag_id: the DAG's id.
    """
    params = {name: Param(**schema) for name, schema in form().items()}
    with DAG(dag_id, schedule=None, params=params, doc_md=DOC, tags=["opencompass"]) as dag:
        plan = PlanOperator(task_id="plan")
        infer = [_mapped(kind, plan, "infer", TriggerRule.ALL_SUCCESS) for kind in OPERATORS]
        score = [_mapped(kind, plan, "eval", TriggerRule.ALL_DONE) for kind in OPERATORS]
        summarize = SummarizeOperator(task_id="summarize", trigger_rule=TriggerRule.ALL_DONE)
        for before in infer:
            before >> score
        [plan, *infer, *score] >> summarize
    return dag


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
        # Only for tries that raised nothing, such as a killed worker: the policy names its own delays.
        retry_delay=timedelta(seconds=10),
        retry_policy=ShardRetryPolicy(ceiling=RETRIES),
        map_index_template="{{ task.title }}",
    ).expand_kwargs(shards(cast("Any", plan.output)))
