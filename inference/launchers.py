"""What starts the worker processes of one shard, and how they are told to stop: torchrun, or srun in a Slurm job."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from opencompass_ops.contract import variables


@dataclass(frozen=True)
class Rank:
    """Which one of several processes this is.

    :param rank: from 0.
    :param world: how many there are.
    """

    rank: int
    world: int


def command(processes: int, argv: Sequence[str]) -> list[str]:
    """What starts so many workers on this node.

    :param argv: ``python -m inference`` arguments of one worker.
    """
    worker = ["-m", "inference", *argv]
    if not _is_slurm():
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
        return [sys.executable, *torchrun, *worker]
    cpus = os.environ.get("SLURM_CPUS_PER_TASK")  # srun does not take it from there since Slurm 22.05
    step = [
        "--nodes=1",
        f"--ntasks={processes}",
        "--kill-on-bad-exit=1",
        *([f"--cpus-per-task={cpus}"] if cpus else []),
    ]
    return ["srun", *step, sys.executable, *worker]


def ask_to_stop(group: subprocess.Popen[bytes]) -> None:
    """SIGTERM to every worker, so that they flush their journals."""
    if _is_slurm():
        # srun answers SIGTERM by killing its tasks; scancel signals the steps of a job and not its batch script.
        words = ["scancel", "--signal=TERM", os.environ["SLURM_JOB_ID"]]
        subprocess.run(words, check=False)
    else:
        group.terminate()


def this_rank() -> Rank:
    """As torchrun says, else as srun does."""
    rank = os.environ.get("RANK") or os.environ["SLURM_PROCID"]
    world = os.environ.get("WORLD_SIZE") or os.environ["SLURM_NTASKS"]
    return Rank(int(rank), int(world))


def local_rank() -> int:
    """This worker's number on its node, which is the number of its device."""
    return int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or 0)


def _is_slurm() -> bool:
    return os.environ.get(variables.LAUNCHER) == "slurm"
