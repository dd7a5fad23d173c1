"""The DAG-level callback: it runs in the dag-processor once a run is over, and tells what its own task could not.

The task ``notify`` tells it first. What it delivered stands in the run's ledger and is not told again; so this tells of
runs whose ``notify`` never ran or could not deliver, and nothing waits for it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)


def tell_look(context: Context, *, series: str, problem: str = "") -> None:
    """For ``on_failure_callback`` of a DAG that looks for checkpoints.

    :param series: its name.
    :param problem: why it fails, where that is known before it runs.
    """
    from opencompass_ops.notifications.runs import AirflowRun

    try:
        AirflowRun(context, log.info, looks_for=series).tell_look(problem)
    except Exception:  # the edge of the dag-processor; the run is over and stays what it is
        log.exception("the end of run %s is not told", context.get("run_id"))


def tell_end(context: Context) -> None:
    """For ``on_failure_callback`` and ``on_success_callback`` of a DAG, also of one that plans nothing."""
    from opencompass_ops.notifications.runs import TOLD_KEY, AirflowRun

    try:
        ti = context.get("ti")
        kept = ti.xcom_pull(task_ids="notify", key=TOLD_KEY) if ti is not None else None
        AirflowRun(context, log.info).tell_end(kept or (), patient=True)
    except Exception:  # the edge of the dag-processor; the run is over and stays what it is
        log.exception("the end of run %s is not told", context.get("run_id"))
