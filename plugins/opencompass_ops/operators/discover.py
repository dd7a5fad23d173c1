"""The tasks of a series: look for checkpoints, and start the evaluation of each."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from opencompass_ops.series.config import Series
    from opencompass_ops.series.ledger import Evaluation


PLAN = "plan"
SUMMARIZE = "summarize"
"""The task that is green once every score is there; what follows it judges the checkpoint, not the evaluation."""


def run_state(ti: Any, dag_id: str, run_id: str) -> str | None:
    """How far a run's evaluation is; None where there is no such run.

    A gate that fails, or a promotion that is refused, makes the run red; its evaluation succeeded all the same.

    :param ti: the task instance that asks.
    """
    from airflow.sdk import DagRunState

    if not ti.get_dr_count(dag_id=dag_id, run_ids=[run_id]):
        return None
    tasks = ti.get_task_states(dag_id=dag_id, task_ids=[SUMMARIZE], run_ids=[run_id]).get(run_id, {})
    if tasks.get(SUMMARIZE) == "success":
        return "success"
    return DagRunState(ti.get_dagrun_state(dag_id=dag_id, run_id=run_id)).value


def run_folder(ti: Any, dag_id: str, run_id: str) -> str:
    """The folder that a run claimed; "" where its plan did not come so far, or Airflow knows the run no more."""
    planned = ti.xcom_pull(task_ids=PLAN, dag_id=dag_id, run_id=run_id, map_indexes=-1)
    return str(planned["run_dir"]) if planned else ""


def stopped_by(ti: Any, dag_id: str, row: Evaluation) -> str:
    """The shared limit on GPU-hours that ended an evaluation's run; "" where there was none."""
    from opencompass_ops.notifications.runs import SPENT_KEY
    from opencompass_ops.series import stops

    folder = run_folder(ti, dag_id, row.run_id)
    if folder:
        return stops.stopped_by(folder, row.begun_at)
    spent = ti.xcom_pull(task_ids=PLAN, dag_id=dag_id, run_id=row.run_id, key=SPENT_KEY, map_indexes=-1)
    return str(next(iter(spent or ()), ""))


def earlier_folder(ti: Any, dag_id: str, row: Evaluation) -> str:
    """The newest run folder of an evaluation's earlier attempts that is still there; "" where there is none."""
    from opencompass_ops.contract import layout
    from opencompass_ops.series.ledger import run_id

    for attempt in range(row.attempts - 1, 0, -1):
        folder = run_folder(ti, dag_id, run_id(row.series, row.digest, row.fingerprint, attempt))
        if folder and Path(folder, layout.PLAN).is_file():
            return folder
    return ""


class DiscoverOperator(BaseOperator):
    """Look at a series' place and note which evaluations begin; each (weights, suite) once.

    Returns the keyword arguments of one :class:`StartEvaluationOperator` per evaluation, in order.

    :param series: name of the series; its file is read anew.
    """

    def __init__(self, *, series: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.series = series

    def execute(self, context: Context) -> list[dict[str, str]]:
        """Look once.

        :raises InputError: the series, its suite or the params are wrong.
        :raises UnsureError: the place cannot be asked.
        """
        from opencompass_ops.errors import OpsError
        from opencompass_ops.notifications.runs import leave_problem

        try:
            return self._look(context)
        except OpsError as error:
            leave_problem(context, error)
            raise

    def _look(self, context: Context) -> list[dict[str, str]]:
        from opencompass_ops.hooks.connections import install
        from opencompass_ops.hooks.object_store import keys_of
        from opencompass_ops.hooks.results import results_url
        from opencompass_ops.series.config import read_series
        from opencompass_ops.series.discovery import Asked, discover
        from opencompass_ops.series.ledger import Ledger
        from opencompass_ops.series.places import open_place

        install()
        series = read_series(self.series)
        asked = Asked.from_params(dict(context["params"]))
        ti = context["ti"]

        with Ledger.open(results_url()) as ledger:
            place = open_place(series, keys_of)
            state, stopped = partial(run_state, ti, series.dag), partial(stopped_by, ti, series.dag)
            user = str(getattr(context["dag_run"], "triggering_user_name", None) or "")
            begun = discover(series, place, ledger, asked, state, self.log.info, stopped, user)
        return [{"run_id": row.run_id, "title": f"{row.version} {row.name}"} for row in begun]


class StartEvaluationOperator(BaseOperator):
    """Start the DAG run that is an evaluation, unless it is there; its run id is the same for everybody.

    :param series: name of the series.
    :param run_id: of the evaluation, which the ledger has.
    :param title: what people read.
    """

    template_fields: Sequence[str] = ("run_id", "title")

    def __init__(self, *, series: str, run_id: str, title: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.series = series
        self.run_id = run_id
        self.title = title

    def execute(self, context: Context) -> NoReturn:
        """Bring the checkpoint to where jobs read it, and have Airflow make the run.

        :raises PlanError: the checkpoint is gone, or another one by now; the ledger says so, too.
        :raises UnsureError: the place cannot be asked.
        """
        from opencompass_ops.errors import OpsError
        from opencompass_ops.notifications.runs import leave_problem

        try:
            self._start(context)
        except OpsError as error:
            leave_problem(context, error)
            raise

    def _start(self, context: Context) -> NoReturn:
        from airflow.sdk.exceptions import AirflowSkipException, DagRunTriggerException

        from opencompass_ops.series.config import read_series

        series = read_series(self.series)
        if context["ti"].get_dr_count(dag_id=series.dag, run_ids=[self.run_id]):
            raise AirflowSkipException(f"run {self.run_id} of {series.dag} is there already")
        raise DagRunTriggerException(
            trigger_dag_id=series.dag,
            dag_run_id=self.run_id,
            conf=self._params(series, context["ti"]),
            reset_dag_run=False,
            skip_when_already_exists=True,
            wait_for_completion=False,
            allowed_states=["success"],
            failed_states=["failed"],
            poke_interval=60,
            deferrable=False,
            note=f"{self.title} of series {series.name}",
        )

    def _params(self, series: Series, ti: Any) -> dict[str, Any]:
        from airflow.sdk.exceptions import AirflowSkipException

        from opencompass_ops.clusters.shell import run_to_end
        from opencompass_ops.errors import InputError
        from opencompass_ops.hooks.connections import install
        from opencompass_ops.hooks.object_store import keys_of
        from opencompass_ops.hooks.results import results_url
        from opencompass_ops.liveness import live_jobs
        from opencompass_ops.series.discovery import evaluation_params
        from opencompass_ops.series.ledger import FAILED, Ledger
        from opencompass_ops.series.places import open_place

        install()
        with Ledger.open(results_url()) as ledger:
            rows = ledger.evaluations(series.name)
            evaluation = next((row for row in rows if row.run_id == self.run_id), None)
            if evaluation is None:
                raise InputError(f"{self.run_id} is not the last attempt of any evaluation; a later look took over")
            try:
                path = run_to_end(open_place(series, keys_of).bring(evaluation.name, evaluation.digest))
            except InputError as error:
                with ledger.exclusive(series.name) as book:
                    book.end(evaluation, FAILED, str(error))
                raise
        folder = earlier_folder(ti, series.dag, evaluation)
        alive = live_jobs(Path(folder)) if folder else ()
        if alive:
            # The run is not there yet, so that the next look comes here again.
            raise AirflowSkipException(f"{len(alive)} jobs of the attempt before, in {folder}, are alive; a later look")
        return evaluation_params(series, evaluation, path, reuse=Path(folder).name if folder else "")
