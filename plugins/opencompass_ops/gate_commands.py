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
    compare = commands.add_parser("compare", help="two evaluated models, or runs, on the same items: tests and flips")
    compare.add_argument("reference", help="name of a model in the tables, or a run directory")
    compare.add_argument("candidate", help="the one that may be worse")
    compare.add_argument("--dataset", help="only this dataset")
    compare.add_argument("--max-drop", type=float, default=1.0, help="allowed drop in percent of the range (default 1)")
    compare.add_argument("--json", action="store_true", help="the same as JSON, with the items that flipped")
    compare.set_defaults(command=_compare)


def judge(run_dir: Path) -> int:
    """Print the gate of a run; 1 when it failed and is enforced."""
    from opencompass_ops.gates.views import gate_text
    from opencompass_ops.gating import gate
    from opencompass_ops.results.store import default_url

    record = gate(run_dir, database_url=default_url())
    print(f"\n{gate_text(record)}")
    return 1 if record.is_red else 0


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


def _compare(arguments: argparse.Namespace) -> int:
    from opencompass_ops.gates.judging import compare_named
    from opencompass_ops.gates.policy import GatePolicy
    from opencompass_ops.gates.views import gate_text
    from opencompass_ops.results.store import Store, default_url

    policy = GatePolicy.from_values({"max_drop": arguments.max_drop}, "compare")
    with Store.open(default_url()) as store:
        record = compare_named(store, arguments.reference, arguments.candidate, policy, dataset=arguments.dataset)
    print(record.to_json() if arguments.json else gate_text(record))
    return 0
