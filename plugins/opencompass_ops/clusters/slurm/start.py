"""How the batch script starts the workload, passes a signal on to it and clears up behind it; pure."""

from __future__ import annotations

from dataclasses import dataclass

from opencompass_ops.clusters.base import JobRequest
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.slurm.words import words
from opencompass_ops.clusters.software import PYTHON, RUN, Conda


@dataclass(frozen=True)
class Start:
    """Pieces of bash, every value in them quoted.

    :param command: the workload, as one simple command.
    :param before: sections that prepare it; they set ``oc_why`` and exit when they fail.
    :param stop: lines that pass SIGTERM on to ``$oc_child``.
    :param after: lines that remove what it left behind.
    """

    command: str
    before: tuple[str, ...] = ()
    stop: tuple[str, ...] = ('kill -TERM "$oc_child" 2> /dev/null',)
    after: tuple[str, ...] = ()


def start_of(request: JobRequest, config: ClusterConfig, code_dir: str) -> Start:
    """The start that the cluster config asks for."""
    return on_the_node(request.argv, config.conda)


def on_the_node(argv: tuple[str, ...], conda: Conda | None) -> Start:
    if conda is not None and conda.way == PYTHON:
        return Start(words((f"{conda.prefix}/bin/python", *argv[1:])))
    if conda is not None and conda.way == RUN:
        program = f"{conda.root.rstrip('/')}/bin/conda" if conda.root else "conda"
        which = ("--prefix", conda.env) if conda.env.startswith("/") else ("--name", conda.env)
        command = words((program, "run", "--no-capture-output", *which, *argv))
        # conda run keeps signals to itself; a process group of its own lets all of it be told at once.
        return Start(f"setsid {command}", stop=('kill -TERM -- "-$oc_child" 2> /dev/null',))
    return Start(words(argv))
