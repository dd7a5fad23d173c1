"""The console script ``opencompass-ops``: the DAG's run in one process, for a laptop and for debugging."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from opencompass_ops import (
    __version__,
    budget_commands,
    config_commands,
    gate_commands,
    import_commands,
    message_commands,
    project_commands,
    series_commands,
    suite_commands,
)
from opencompass_ops.clusters.connections import use_resolver
from opencompass_ops.contract import codec
from opencompass_ops.errors import OpsError
from opencompass_ops.hooks import stored
from opencompass_ops.planning.params import OF_CLUSTER, add_arguments, from_arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 whole, 1 something failed, 2 the request is wrong, 130 interrupted."""
    arguments = _parser().parse_args(argv)
    use_resolver(stored.resolve)
    try:
        code = int(arguments.command(arguments))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader has seen enough: `opencompass-ops leaderboard | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OpsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error}; look at the disk and the permissions, then repeat the command", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="opencompass-ops", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="evaluate a config here and now")
    add_arguments(run)
    run.set_defaults(command=_run)
    plan = commands.add_parser("plan", help="show what a run would do; starts nothing")
    add_arguments(plan)
    plan.add_argument("--json", action="store_true", help="the whole plan as JSON")
    plan.set_defaults(command=_plan)
    attach = commands.add_parser("attach", help="go on with a run directory whose jobs were left alive")
    attach.add_argument("run_dir", type=Path)
    attach.add_argument("--debug", action="store_true", help="one shard at a time with its output")
    attach.set_defaults(command=_attach)
    doctor = commands.add_parser("doctor", help="look at a cluster from the login to a job, and say what to mend")
    doctor.add_argument("cluster", help="name of a cluster config")
    doctor.add_argument("--weights", default="", help="a checkpoint's folder, as jobs see it")
    doctor.add_argument("--gpus", type=int, help="GPUs of the trial job (default: the cluster config's)")
    doctor.add_argument("--wait", type=float, default=300, help="seconds the trial job may wait and run (default 300)")
    add_arguments(doctor, OF_CLUSTER)
    doctor.set_defaults(command=_doctor)
    checkpoints = commands.add_parser("checkpoints", help="which checkpoints were evaluated, and how far")
    checkpoints.add_argument("--series", help="only this training run")
    checkpoints.set_defaults(command=_checkpoints)
    leaderboard = commands.add_parser("leaderboard", help="the stored scores, best first")
    leaderboard.add_argument("--dataset", help="only this dataset")
    leaderboard.add_argument("--metric", help="only this metric")
    leaderboard.add_argument("--series", help="only checkpoints of this training run")
    leaderboard.add_argument("--rows", type=int, default=50, help="at most so many rows (default 50)")
    leaderboard.set_defaults(command=_leaderboard)
    config_commands.add_commands(commands)
    gate_commands.add_commands(commands)
    import_commands.add_commands(commands)
    suite_commands.add_commands(commands)
    project_commands.add_commands(commands)
    budget_commands.add_commands(commands)
    series_commands.add_commands(commands)
    message_commands.add_commands(commands)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from opencompass_ops.prepare import prepare

    params = from_arguments(arguments)
    messages = params.pop("dump_only_message_path", None)
    if messages and not params["dry_run"]:
        from opencompass_ops.rendering import write_messages

        return write_messages(Path(messages), params, say=_say)
    prepared = prepare(params, say=print, **_bound(params))
    print(prepared.text)
    if prepared.dry_run:
        return 0
    return _drive(prepared.run_dir, params, live=bool(params["debug"]))


def _plan(arguments: argparse.Namespace) -> int:
    from opencompass_ops.prepare import prepare

    say = (lambda line: print(line, file=sys.stderr)) if arguments.json else print
    params = from_arguments(arguments) | {"dry_run": True}
    prepared = prepare(params, say=say, **_bound(params))
    print(codec.dumps(prepared.plan) if arguments.json else prepared.text)
    return 0


def _bound(params: dict[str, Any]) -> dict[str, Any]:
    """On whose account a run goes, and what its series may use."""
    from opencompass_ops.instance import user_name
    from opencompass_ops.results.store import default_url
    from opencompass_ops.series.terms import terms

    bound = terms(default_url(), str(params.get("series") or ""), user_name())
    return {"database_url": default_url(), "user": bound.user, "series_gpu_hours": bound.series_gpu_hours}


def _attach(arguments: argparse.Namespace) -> int:
    from opencompass_ops.liveness import read_plan

    run_dir = arguments.run_dir.resolve()
    plan = read_plan(run_dir)  # before any job is asked about: a mistyped folder is no run
    return _drive(run_dir, plan.params, live=arguments.debug)


def _drive(run_dir: Path, params: Mapping[str, Any], *, live: bool) -> int:
    from opencompass_ops.clusters.shell import run_to_end
    from opencompass_ops.results.store import default_url
    from opencompass_ops.runner import run_plan
    from opencompass_ops.summarize import summarize

    with message_commands.reporting(run_dir, params) as reporter:
        reporter.start()
        work = run_plan(run_dir, say=_say, live=live, on_stage=reporter.stage, database_url=default_url())
        try:
            failed = run_to_end(work)
        except KeyboardInterrupt:
            return _interrupted(run_dir)
        report = summarize(run_dir, database_url=default_url())
        print(report.text)
        reporter.end(report.headline if report.failures else "")
    for shard, why in failed.items():
        print(f"failed: {shard}: {why}", file=sys.stderr)
    if failed or report.failures:
        return 1  # as in Airflow: the gate judges whole runs
    return gate_commands.judge(run_dir)


def _interrupted(run_dir: Path) -> int:
    from opencompass_ops.clusters.shell import run_to_end
    from opencompass_ops.runner import cancel_plan

    answer = ""
    if sys.stdin.isatty():
        try:
            answer = input("\nCancel the running jobs? [y/N] ")
        except (EOFError, KeyboardInterrupt):
            answer = ""
    if answer.strip().lower() in ("y", "yes"):
        print(f"cancelled {run_to_end(cancel_plan(run_dir))} shards; finished ones are kept in {run_dir}")
    else:
        print(f"\nThe jobs go on. Attach again with:\n  opencompass-ops attach {run_dir}")
    return 130


def _doctor(arguments: argparse.Namespace) -> int:
    from opencompass_ops.asked import cluster_for
    from opencompass_ops.clusters.findings import report
    from opencompass_ops.clusters.shell import run_to_end
    from opencompass_ops.doctor import examine, visit
    from opencompass_ops.instance import absolute
    from opencompass_ops.planning.request import Request
    from opencompass_ops.resolved import load_cluster

    asked = Request.from_params({"config": "none", **from_arguments(arguments, OF_CLUSTER)})
    config = cluster_for(asked, load_cluster(arguments.cluster))
    if arguments.gpus is not None:
        config = replace(config, resources=replace(config.resources, num_gpus=arguments.gpus))
    trial = visit(config, absolute(config.work_dir), weights=arguments.weights, seconds=arguments.wait)
    is_well = run_to_end(examine(trial, tell=lambda finding: _say(report([finding]))))
    return 0 if is_well else 1


def _checkpoints(arguments: argparse.Namespace) -> int:
    from opencompass_ops.results.store import Store, default_url
    from opencompass_ops.results.views import checkpoints_table

    print(checkpoints_table(Store.open(default_url()).checkpoints(arguments.series)))
    return 0


def _leaderboard(arguments: argparse.Namespace) -> int:
    from opencompass_ops.results.store import Store, default_url
    from opencompass_ops.results.views import leaderboard_table

    store = Store.open(default_url())
    wanted = {"dataset": arguments.dataset, "metric": arguments.metric, "series": arguments.series}
    rows = store.leaderboard(**wanted, limit=arguments.rows)
    print(leaderboard_table(rows, store.versions()))
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
