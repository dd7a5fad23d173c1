"""The plugin's pages on Airflow's API server: what a job has printed so far."""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import requires_access_dag
from airflow.models.xcom import XComModel
from fastapi import Depends, FastAPI, Query
from fastapi.responses import PlainTextResponse

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.jobs import log_tail
from opencompass_ops.operators.links import JOB_KEY, LOG_PAGE

app = FastAPI(title="opencompass-ops", openapi_url=None)

_LINES = 2000
_REFRESH = {"Refresh": "15"}  # seconds, for who waits

_Text = Annotated[str, Query(max_length=500)]


@app.get(LOG_PAGE, dependencies=[Depends(requires_access_dag("GET", DagAccessEntity.TASK_LOGS))])
def job_log(
    dag_id: _Text, run_id: _Text, task_id: _Text, session: SessionDep, map_index: int = -1
) -> PlainTextResponse:
    """Which job a task has, and the last lines of its log."""
    query = XComModel.get_many(
        run_id=run_id, key=JOB_KEY, task_ids=task_id, dag_ids=dag_id, map_indexes=map_index, limit=1
    )
    row = session.scalars(query).first()
    job = XComModel.deserialize_value(row) if row else None
    if not isinstance(job, dict):
        return PlainTextResponse("This task has not asked for a job yet.\n", status_code=404, headers=_REFRESH)
    return PlainTextResponse(_page(job), headers=_REFRESH)


def _page(job: dict[str, Any]) -> str:
    head = "".join(f"{key:<8} {job[key]}\n" for key in ("cluster", "job_id", "token", "log") if job.get(key))
    return f"{head}\n{_log(str(job.get('run_dir')), str(job.get('shard')))}\n"


def _log(run_dir: str, shard: str) -> str:
    """The log's end; nothing but the log of a planned run is ever read, whatever the XCom says."""
    try:
        if not LocalFiles(run_dir).exists(layout.PLAN):
            return f"{run_dir} is no run directory on the API server's host; look at the log where it lies."
        return log_tail(run_dir, shard, _LINES) or "The job has printed nothing yet."
    except (OSError, ValueError) as error:
        return f"The log cannot be read on the API server's host: {error}"
