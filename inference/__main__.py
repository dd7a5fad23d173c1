"""``python -m inference infer|eval|viz|probe|checkpoints|repeats|messages|sandbox``: the same arguments everywhere."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Sequence

from inference.claim import Attempt
from inference.guard import guard_stdin
from inference.job import run_job, run_worker
from opencompass_ops.contract import variables
from opencompass_ops.contract.spec import EVAL, INFER, VIZ

_KINDS = {
    INFER: "answer a shard's requests",
    EVAL: "score a model's predictions of a dataset",
    VIZ: "let OpenCompass make tables of a run's scores",
}


def main(argv: Sequence[str]) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    if arguments.command == "probe":
        from inference.probe import main_probe

        return main_probe()
    if arguments.command == "checkpoints":
        from inference.checkpoints import main_checkpoints

        return main_checkpoints()
    if arguments.command == "repeats":
        from inference.repeats import main_repeats

        return main_repeats()
    if arguments.command == "messages":
        from inference.messages import main_messages

        return main_messages()
    if arguments.command == "sandbox":
        from inference.sandbox.pool import main_sandbox

        return main_sandbox()
    if arguments.command == INFER and arguments.worker:
        return run_worker(arguments.shard, arguments.run_dir, arguments.token)
    guard_stdin()
    job_id = arguments.job_id or os.environ.get(variables.JOB_ID) or f"{socket.gethostname()}-{os.getpid()}"
    attempt = Attempt(arguments.token, arguments.epoch, job_id, arguments.restart)
    return run_job(arguments.command, arguments.shard, arguments.run_dir, attempt)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m inference", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for kind, what in _KINDS.items():
        job = commands.add_parser(kind, help=what)
        job.add_argument("shard", help="path of the shard's spec")
        job.add_argument("--run-dir", required=True, help="the run directory as this machine sees it")
        job.add_argument("--token", required=True, help="name of the submission")
        job.add_argument("--epoch", type=int, default=1, help="number of the deliberate submission")
        job.add_argument("--job-id", help=f"the cluster's handle; ${variables.JOB_ID} by default")
        job.add_argument(
            "--restart",
            type=int,
            default=int(os.environ.get(variables.RESTART) or 0),
            help=f"how often the cluster restarted this job; ${variables.RESTART} by default",
        )
        if kind == INFER:
            job.add_argument(
                "--worker", action="store_true", help="one of several processes, started by torchrun or srun"
            )
    commands.add_parser("sandbox", help="say in what programs that models wrote would run on this machine")
    commands.add_parser("probe", help="look at data and weights before anything is planned; on stdin and stdout")
    commands.add_parser("checkpoints", help="look at what a training run has written; on stdin and stdout")
    commands.add_parser("repeats", help="look through answers for repetition; on stdin and stdout")
    commands.add_parser("messages", help="write what models would be asked; on stdin and stdout")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
