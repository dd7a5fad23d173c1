"""Run directory to report: the one way out for the DAG and the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan

if TYPE_CHECKING:
    from opencompass_ops.results.report import Report


def summarize(run_dir: str | Path, *, database_url: str) -> Report:
    """Write tables and plots, store every score, in a results station too where one is named, and say what is missing.

    :param run_dir: a run directory with a plan.
    :param database_url: SQLAlchemy URL of the results database.
    """
    from opencompass_ops.budgets.account import limits_met
    from opencompass_ops.gates.curves import with_alarms
    from opencompass_ops.instance import absolute
    from opencompass_ops.results.report import report
    from opencompass_ops.results.station import save_to_station
    from opencompass_ops.results.store import Store

    files = LocalFiles(run_dir)
    plan = Plan.from_json(files.read(layout.PLAN))
    made = report(files, plan, Store.open(database_url), look=with_alarms)
    made = replace(made, notes=(*made.notes, *limits_met(files, plan, database_url)))
    if plan.params.get("analysis_repeat"):
        made = _with_repeats(made, files, plan)
    if plan.params.get("station_path"):
        station = absolute(str(plan.params["station_path"]))
        save_to_station(files, plan, station, overwrite=bool(plan.params.get("station_overwrite")))
    return made


def _with_repeats(made: Report, files: LocalFiles, plan: Plan) -> Report:
    """The report with what was found; answers that cannot be looked through are one failure beside the scores."""
    from opencompass_ops.errors import OpsError
    from opencompass_ops.repeats import analyse_repeats

    try:
        path, lines = analyse_repeats(files, plan)
    except OpsError as error:
        return replace(made, failures=(*made.failures, f"no analysis of repetition: {error}"))
    return replace(made, files=(*made.files, path), notes=(*made.notes, *lines))
