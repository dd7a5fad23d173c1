"""A program on the login node, with the environment that jobs have; not in their container."""

from __future__ import annotations

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.shell import Answer, shell_for
from opencompass_ops.clusters.slurm.code import code_dir
from opencompass_ops.clusters.slurm.environment import software
from opencompass_ops.clusters.slurm.start import command_on_the_node
from opencompass_ops.clusters.slurm.words import assignment, words


async def run_on_login(config: ClusterConfig, argv: tuple[str, ...], stdin: bytes, *, timeout: float) -> Answer:
    """Run a program whose stdin and stdout are data, beside whatever else uses the connection.

    :param argv: the first word stands for the jobs' interpreter, ``python3`` where they run in a container.
    :param timeout: seconds.
    :raises JobRefused: the code cannot be sent there.
    :raises UnsureError: the login node could not be asked, or its answer was lost.
    """
    shell = shell_for(config.connection_id)
    script = login_script(config, argv, await code_dir(shell, config))
    return await shell.run_aside(script, stdin=stdin, timeout=timeout)


def login_script(config: ClusterConfig, argv: tuple[str, ...], code_dir: str) -> str:
    """Setup, modules and conda as in a job's script, then the program; what is wrong with them goes to stderr."""
    exports = (f"export {assignment(name, value)}" for name, value in config.variables.items())
    sections = (_BEGIN, *exports, *software(config, code_dir), _END.format(command=_command(config, argv)))
    return "\n".join(section.strip("\n") for section in sections) + "\n"


# software() notes what went wrong in oc_why, and what its programs said in setup.log.
_BEGIN = """
oc_token=login oc_why=
oc_job_dir=$(mktemp -d) || exit 1
oc_end() {
    local code=$?
    set +eux
    [ -z "$oc_why" ] || { printf '%s\\n' "$oc_why"; tail -n 20 "$oc_job_dir/setup.log"; } >&2
    rm -rf "$oc_job_dir"
    exit "$code"
}
trap oc_end EXIT
"""

_END = """
oc_why=
{command}
"""


def _command(config: ClusterConfig, argv: tuple[str, ...]) -> str:
    if config.container:
        return words(("python3", *argv[1:]))
    return command_on_the_node((config.interpreter, *argv[1:]), config.conda)
