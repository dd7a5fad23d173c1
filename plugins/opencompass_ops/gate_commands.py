"""The commands for comparisons: ``detect`` and ``compare``."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands; each sets ``command``, a function from the parsed arguments to the exit code."""
    detect = commands.add_parser("detect", help="the alarms that a table of scores would have raised, step by step")
    detect.add_argument(
        "--scores",
        type=Path,
        required=True,
        metavar="FILE.csv",
        help="columns model, shot, step, task, metric, value, stderr",
    )
    detect.add_argument("--json", action="store_true", help="one JSON object a line")
    detect.set_defaults(command=_detect)


def _detect(arguments: argparse.Namespace) -> int:
    from opencompass_ops.gates.table import read_scores, replay
    from opencompass_ops.gates.views import alarms_table

    series = read_scores(arguments.scores)
    alarms = list(replay(series))
    if arguments.json:
        for alarm in alarms:
            print(json.dumps(asdict(alarm), ensure_ascii=False))
        return 0
    print(alarms_table(alarms, len(series), sum(len(scores) for scores in series.values())))
    return 0
