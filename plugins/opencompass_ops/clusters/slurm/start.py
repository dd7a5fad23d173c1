"""How the batch script starts the workload, passes a signal on to it and clears up behind it; pure."""

from __future__ import annotations

from dataclasses import dataclass

from opencompass_ops.clusters.slurm.words import words
from opencompass_ops.clusters.software import PYTHON, RUN, Conda

IN_BACKGROUND = """
{command} < /dev/null 3>&- &
oc_child=$!
"""


@dataclass(frozen=True)
class Start:
    """Pieces of bash, every value in them quoted.

    :param launch: starts the workload and sets ``oc_child``; its output goes to descriptor 3, the log.
    :param before: sections that prepare it; they set ``oc_why`` and exit when they fail.
    :param stop: lines that pass SIGTERM on to ``$oc_child``.
    :param after: lines that remove what it left behind.
    """

    launch: str
    before: tuple[str, ...] = ()
    stop: tuple[str, ...] = ('kill -TERM "$oc_child" 2> /dev/null',)
    after: tuple[str, ...] = ()


def on_the_node(argv: tuple[str, ...], conda: Conda | None) -> Start:
    """The start of a workload without a container."""
    command = command_on_the_node(argv, conda)
    if conda is not None and conda.way == RUN:
        # conda run keeps signals to itself; a process group of its own lets all of it be told at once.
        return Start(
            IN_BACKGROUND.format(command=f"setsid {command}"), stop=('kill -TERM -- "-$oc_child" 2> /dev/null',)
        )
    return Start(IN_BACKGROUND.format(command=command))


def command_on_the_node(argv: tuple[str, ...], conda: Conda | None) -> str:
    """The workload as a simple command, within its conda environment."""
    if conda is not None and conda.way == PYTHON:
        return words((f"{conda.prefix}/bin/python", *argv[1:]))
    if conda is not None and conda.way == RUN:
        program = f"{conda.root.rstrip('/')}/bin/conda" if conda.root else "conda"
        which = ("--prefix", conda.env) if conda.env.startswith("/") else ("--name", conda.env)
        return words((program, "run", "--no-capture-output", *which, *argv))
    return words(argv)
