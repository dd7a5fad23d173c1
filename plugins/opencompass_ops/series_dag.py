"""The DAG of a series: discover, then one task per evaluation that starts its run."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import partial
from typing import Any, cast

from airflow.sdk import DAG, Asset, CronTriggerTimetable, Param, task

from opencompass_ops.dag_factory import ONLY_OTHERS_FAULTS
from opencompass_ops.errors import ConfigError
from opencompass_ops.notifications.callbacks import tell_look
from opencompass_ops.operators.discover import DiscoverOperator, StartEvaluationOperator
from opencompass_ops.series.config import Series, read_file, series_files

PARAMS: dict[str, dict[str, Any]] = {
    "checkpoints": {
        "default": [],
        "type": ["array", "null"],
        "items": {"type": "string"},
        "title": "Checkpoints",
        "description": "Only these, by name, one a line, whatever the limits and earlier failures. Empty: all that are "
        "new.",
    },
    "backfill": {
        "default": False,
        "type": "boolean",
        "title": "Backfill",
        "description": "Also checkpoints that were evaluated by another suite or version; the limit per day does not "
        "hold. What is answered already is not asked again.",
    },
    "suite": {
        "default": None,
        "type": ["string", "null"],
        "title": "Suite",
        "description": "For a backfill: SUITE@VERSION. Empty: the series' own.",
    },
    "after_step": {
        "default": None,
        "type": ["integer", "null"],
        "minimum": 0,
        "title": "After step",
        "description": "Only later steps. Empty: as the series says.",
    },
    "before_step": {
        "default": None,
        "type": ["integer", "null"],
        "minimum": 0,
        "title": "Before step",
        "description": "Only earlier steps. Empty: as the series says.",
    },
}
"""What a run of the DAG may be asked for; see :class:`opencompass_ops.series.discovery.Asked`."""

DOC = """\
### {title}
Looks for complete checkpoints `{pattern}` in `{at}` and evaluates each once with **{suite}**{schedule}.
The log of `discover` says of every checkpoint what it is and why it waits; each entry of `evaluate` starts one run of
`{dag}`. *Trigger* looks at once; with *Backfill* it also evaluates what an earlier suite has evaluated.

`opencompass-ops series status {name}` shows versions, states and reasons.
"""

SERIES_TAGS = ["opencompass", "series"]


def build_series_dags() -> dict[str, DAG]:
    """The DAG of every series by its id; that of a series whose file is wrong says so when it runs."""
    dags = {}
    for name, file in series_files().items():
        try:
            dag = build_series_dag(read_file(file))
        except ConfigError as error:
            dag = _broken_dag(name, str(error))
        dags[dag.dag_id] = dag
    return dags


def build_series_dag(series: Series) -> DAG:
    """The DAG ``opencompass_checkpoints_NAME``, paused until somebody switches it on.

    Ticks that were missed are not made up for: the next one finds everything that has come meanwhile.
    """
    at = series.checkpoints.at
    doc = DOC.format(
        title=series.title or f"Checkpoints of {series.name}",
        pattern=series.checkpoints.pattern.text,
        at=at,
        suite=series.suite,
        schedule=f", at `{series.schedule}` ({series.timezone})" if series.schedule else ", when it is triggered",
        dag=series.dag,
        name=series.name,
    )
    timetable = CronTriggerTimetable(series.schedule, timezone=series.timezone) if series.schedule else None
    with DAG(
        series.dag_id,
        schedule=timetable,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=2,  # one by the clock and one by hand; however many there are, each evaluation begins once
        is_paused_upon_creation=True,
        params={name: Param(**schema) for name, schema in PARAMS.items()},
        doc_md=doc,
        tags=SERIES_TAGS,
        on_failure_callback=partial(tell_look, series=series.name),
    ) as dag:
        found = DiscoverOperator(task_id="discover", series=series.name, **ONLY_OTHERS_FAULTS)
        StartEvaluationOperator.partial(
            task_id="evaluate",
            series=series.name,
            max_active_tis_per_dagrun=1,  # one after the other, so that they begin in order
            outlets=[Asset(f"checkpoint://{series.name}/begun")],  # for lineage; nothing is started by it
            map_index_template="{{ task.title }}",
            **ONLY_OTHERS_FAULTS,
        ).expand_kwargs(cast("Any", found.output))
    return dag


def _broken_dag(name: str, problem: str) -> DAG:
    """Stands for a series that cannot be read, so that its history stays in sight and the others live on."""
    with DAG(
        "opencompass_checkpoints_" + re.sub(r"[^\w.-]", "_", name, flags=re.ASCII),
        schedule=CronTriggerTimetable("@hourly", timezone="UTC"),  # so that what was switched on is told that it stands
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        is_paused_upon_creation=True,
        doc_md=f"### This series cannot be read\n\n```\n{problem}\n```\n",
        tags=[*SERIES_TAGS, "broken"],
        on_failure_callback=partial(tell_look, series=name, problem=problem),
    ) as dag:

        @task(task_id="read_series")
        def read_series() -> None:
            raise ConfigError(problem)

        read_series()
    return dag
