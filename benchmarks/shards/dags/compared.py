"""The DAG that is measured, its graph with tasks that do nothing, and srun through SSHOperator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow.providers.ssh.operators.ssh import SSHOperator
from airflow.sdk import DAG, TriggerRule, get_current_context, task

from benchmarks.shards.noop import NoopOperator
from opencompass_ops.dag_factory import OPERATORS, build_eval_dag

STAGES = (("infer", TriggerRule.ALL_SUCCESS), ("eval", TriggerRule.ALL_DONE))

measured = build_eval_dag()

with DAG("noop", schedule=None, params={"shards": 1, "marks": "", "gate": ""}) as noop:

    @task
    def plan() -> dict[str, list[dict[str, str]]]:
        params = get_current_context()["params"]
        marks = [f"{params['marks']}/{number}" for number in range(params["shards"])]
        return {"infer_slurm": [{"mark": mark, "gate": params["gate"]} for mark in marks]}

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def summarize() -> None:
        pass

    def stage(name: str, rule: TriggerRule, planned: Any) -> list[Any]:
        mapped = []
        for kind in (operator.cluster_kind for operator in OPERATORS):

            @task(task_id=f"{name}_shards_{kind}")
            def shards(planned: dict[str, Any], key: str = f"{name}_{kind}") -> list[dict[str, str]]:
                return list(planned.get(key, []))

            operator = NoopOperator.partial(task_id=f"{name}_{kind}", trigger_rule=rule)
            mapped.append(operator.expand_kwargs(shards(planned)))
        return mapped

    planned = plan()
    stages = [stage(name, rule, planned) for name, rule in STAGES]
    for before in stages[0]:
        before >> stages[1]
    [planned, *stages[0], *stages[1]] >> summarize()

with DAG("srun", schedule=None, params={"commands": ""}) as srun:

    @task
    def commands() -> list[str]:
        return list(json.loads(Path(get_current_context()["params"]["commands"]).read_text()))

    SSHOperator.partial(task_id="run", ssh_conn_id="bed", cmd_timeout=None).expand(command=commands())
