"""Params to plan: the first task of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, conf

if TYPE_CHECKING:
    from airflow.sdk import Context


class PlanOperator(BaseOperator):
    """Check the request, read the config, probe data and weights, write the plan.

    Returns ``{"run_dir", "dry_run", "mapping": {stage: {kind: [...]}}}``: small mapping lists; what each
    shard does lies in the run directory.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Plan; a later try goes on in the run directory that the first one claimed.

        :raises InputError: one message that names each culprit and the next step.
        :raises UnsureError: the cluster could not be asked.
        """
        from opencompass_ops.errors import OpsError
        from opencompass_ops.hooks.connections import install
        from opencompass_ops.hooks.object_store import keys_of
        from opencompass_ops.hooks.results import results_url
        from opencompass_ops.notifications.runs import leave_problem
        from opencompass_ops.prepare import prepare
        from opencompass_ops.series.terms import terms

        install()
        store, run, params = context["task_state_store"], context["dag_run"], dict(context["params"])
        claimed = store.get("run_dir", default=None)
        user = str(getattr(run, "triggering_user_name", None) or "")
        try:
            bound = terms(results_url(), str(params.get("series") or ""), user, run.run_id, keys_of)
            prepared = prepare(
                params,
                database_url=results_url(),
                run_dir=Path(str(claimed)) if claimed else None,
                on_claim=lambda folder: store.set("run_dir", str(folder)),
                max_map_length=conf.getint("core", "max_map_length"),
                say=self.log.info,
                user=bound.user,
                weights=bound.weights,
                is_still=bound.is_still,
                series_gpu_hours=bound.series_gpu_hours,
            )
        except OpsError as error:
            leave_problem(context, error)
            raise
        self.log.info("%s", prepared.text)
        return prepared.mapping()
