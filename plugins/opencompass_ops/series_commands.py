"""The commands for series: ``series list``, ``series status`` and ``series backfill``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from typing import Any


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command; each verb sets ``command``, a function from the parsed arguments to the exit code."""
    series = commands.add_parser("series", help="training runs whose checkpoints are evaluated as they appear")
    verbs = series.add_subparsers(required=True, metavar="VERB")
    listed = verbs.add_parser("list", help="every series, where its checkpoints appear and when it looks")
    listed.set_defaults(command=_list)
    status = verbs.add_parser("status", help="each checkpoint of a series: version, state, and why nothing happens")
    status.add_argument("series", metavar="NAME")
    status.add_argument("--look", action="store_true", help="look at the place now; starts nothing")
    status.set_defaults(command=_status)
    backfill = verbs.add_parser("backfill", help="evaluate old checkpoints with another suite, by the series' DAG")
    backfill.add_argument("series", metavar="NAME")
    backfill.add_argument("--suite", default="", metavar="SUITE@VERSION", help="default: the series' own")
    backfill.add_argument("--checkpoint", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    backfill.add_argument("--after-step", type=int, metavar="N", help="only later steps")
    backfill.add_argument("--before-step", type=int, metavar="N", help="only earlier steps")
    backfill.set_defaults(command=_backfill)


def _list(_: argparse.Namespace) -> int:
    from opencompass_ops.errors import ConfigError
    from opencompass_ops.series.config import read_file, series_files

    wrong = 0
    for name, file in series_files().items():
        try:
            series = read_file(file)
        except ConfigError as error:
            wrong = 2
            print(f"{name}  {error}", file=sys.stderr)
            continue
        place, schedule = series.checkpoints, series.schedule or "when triggered"
        print(f"{name}  {place.at}/{place.pattern.text}  {series.suite}  {schedule}")
    return wrong


def _status(arguments: argparse.Namespace) -> int:
    from opencompass_ops.results.store import default_url
    from opencompass_ops.series.config import read_series
    from opencompass_ops.series.ledger import Ledger
    from opencompass_ops.series.listing import status_table

    series = read_series(arguments.series)
    with Ledger.open(default_url()) as ledger:
        seen: Any = ledger.sightings(series.name)
        if arguments.look:
            seen = {one.name: one for one in _look(series, seen)}
        print(status_table(seen.values(), ledger.evaluations(series.name), series.limits.attempts))
    return 0


def _look(series: Any, before: Any) -> Any:
    from datetime import UTC, datetime

    from opencompass_ops.clusters.shell import run_to_end
    from opencompass_ops.hooks.stored import keys_of
    from opencompass_ops.series.looking import look
    from opencompass_ops.series.places import open_place

    return run_to_end(look(series, open_place(series, keys_of), before, datetime.now(UTC)))


def _backfill(arguments: argparse.Namespace) -> int:
    from opencompass_ops.errors import InputError
    from opencompass_ops.hooks.stored import is_set_up
    from opencompass_ops.series.config import read_series
    from opencompass_ops.series.suite import suite_fingerprint

    series = read_series(arguments.series)
    suite_fingerprint(arguments.suite or series.suite, series.params)  # a mistake is told here, not by a task
    if not is_set_up():
        raise InputError(
            "the series' DAG does the work, and this user has no Airflow; set AIRFLOW_HOME, or trigger "
            f"{series.dag_id} with backfill=true"
        )
    asked = {
        "backfill": True,
        "suite": arguments.suite or None,
        "checkpoints": arguments.checkpoint,
        "after_step": arguments.after_step,
        "before_step": arguments.before_step,
    }
    argv = [sys.executable, "-m", "airflow", "dags", "trigger", series.dag_id, "--conf", json.dumps(asked)]
    return subprocess.run(argv, check=False).returncode
