"""The batch script of one job: what was asked for, quoted, then the same steps for every job; pure."""

from __future__ import annotations

from opencompass_ops.clusters.base import JobRequest
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.slurm.containers import contained
from opencompass_ops.clusters.slurm.environment import software
from opencompass_ops.clusters.slurm.start import on_the_node
from opencompass_ops.clusters.slurm.words import assignment, word
from opencompass_ops.contract import variables


def job_script(request: JobRequest, config: ClusterConfig, code_dir: str = "") -> str:
    """The script that sbatch is given; it holds no secrets.

    It leaves ``slurm.end`` in the job's folder when it ends by itself: one line of JSON with ``job_id``, ``restart``,
    ``returncode``, ``why`` ("" when the workload was started) and ``node``.

    :param request: paths as the cluster sees them.
    :param code_dir: where the code that was sent lies, "" when none was.
    :raises JobRefused: something in it cannot be passed to a program.
    """
    container = config.container
    start = contained(request, config, container, code_dir) if container else on_the_node(request.argv, config.conda)
    sections = [
        _head(request, config),
        _END.format(after=_indented(start.after)),
        _STOP.format(stop=_indented(start.stop)),
        _BEGIN,
        _exports(request, config),
        *software(config, code_dir),
        *_secrets(config),
        *start.before,
        _RUN.format(launch=start.launch.strip("\n")),
    ]
    return "\n\n".join(section.strip("\n") for section in sections if section) + "\n"


def _head(request: JobRequest, config: ClusterConfig) -> str:
    lines = [
        "#!/bin/bash",
        "# A job of opencompass-ops: what was asked for, then the same steps for every job.",
        f"umask {word(config.umask)}",
        f"oc_token={word(request.token)}",
        f"oc_run_dir={word(request.run_dir)}",
        f"oc_job_dir={word(f'{request.run_dir}/{request.job_dir}')}",
        f"oc_state={word(config.state_dir)}",
    ]
    return "\n".join(lines)


# {after} and {stop} are bash; every other brace is doubled for str.format.
_END = """
oc_state=${{oc_state:-$HOME/.opencompass-ops}}
oc_secrets=$oc_state/secrets/$oc_token
oc_restart=${{SLURM_RESTART_COUNT:-0}}
oc_node=${{SLURMD_NODENAME:-$(hostname)}}
oc_child= oc_stopping= oc_signalled=
oc_why='the job script was stopped'
exec 3>&1  # the log, whatever setup does with its output

oc_say() {{ printf '=== %s %s ===\\n' "$oc_token" "$*" >&3; }}

oc_holder() {{ cat "$oc_job_dir/claim/holder" 2> /dev/null; }}

# Last of all: how it ended. Not by a job that another one's claim keeps from working.
oc_end() {{
    local code=$? holder
    set +eux
    trap '' TERM
    rm -f "$oc_secrets"
{after}    holder=$(oc_holder)
    [ "$code" -ne 75 ] && [ "${{holder:-$SLURM_JOB_ID}}" = "$SLURM_JOB_ID" ] || exit "$code"
    [ -z "$oc_why" ] || {{ oc_say "$oc_why"; [ "$code" -ne 0 ] || code=1; }}
    printf '{{"job_id": "%s", "restart": %d, "returncode": %d, "why": "%s", "node": "%s"}}\\n' \\
        "$SLURM_JOB_ID" "$oc_restart" "$code" "$oc_why" "$oc_node" > "$oc_job_dir/.slurm.end.$SLURM_JOB_ID" &&
        mv -f "$oc_job_dir/.slurm.end.$SLURM_JOB_ID" "$oc_job_dir/slurm.end"
    exit "$code"
}}
trap oc_end EXIT
"""

_STOP = """
oc_stop() {{
{stop}}}
oc_term() {{
    oc_signalled=yes oc_stopping=yes
    oc_say 'SIGTERM, passed on'
    [ -z "$oc_child" ] || oc_stop
}}
trap oc_term TERM
"""

_BEGIN = """
TZ=UTC0 printf '=== %s on %s, %(%FT%TZ)T, job %s, GPUs: %s ===\\n' \\
    "$oc_token" "$oc_node" -1 "$SLURM_JOB_ID" "${CUDA_VISIBLE_DEVICES:-none}"
oc_why='cancelled before it started'
[ ! -e "$oc_job_dir/slurm.cancelled" ] || exit 143
oc_first=$(oc_holder)
if [ "${oc_first:-$SLURM_JOB_ID}" != "$SLURM_JOB_ID" ]; then
    oc_say "job $oc_first holds the token, this one leaves"
    exit 75
fi
"""

_RUN = """
oc_why='the run directory cannot be entered'
cd "$oc_run_dir" || exit 1
oc_why='stopped before the work began'
[ -z "$oc_stopping" ] || exit 143
oc_why=
{launch}
[ -z "$oc_stopping" ] || oc_stop
while :; do
    oc_signalled=
    wait "$oc_child"
    oc_code=$?
    [ -n "$oc_signalled" ] || exit "$oc_code"  # else it was the signal that ended wait, not the work
done
"""


def _exports(request: JobRequest, config: ClusterConfig) -> str:
    values = {**config.variables, **request.env, variables.TOKEN: request.token}
    if request.resources.launcher:
        values[variables.LAUNCHER] = request.resources.launcher
    if not request.num_gpus:
        values["CUDA_VISIBLE_DEVICES"] = ""
    lines = [f"export {assignment(name, value)}" for name, value in values.items()]
    return "\n".join([*lines, f"export {variables.JOB_ID}=$SLURM_JOB_ID {variables.RESTART}=$oc_restart"])


_SECRETS = """
oc_why='the secrets are not there; they are handed out once, with the submission'
while IFS= read -r -d '' oc_pair; do export "$oc_pair"; done < "$oc_secrets" || exit 1
unset oc_pair
rm -f "$oc_secrets"
"""


def _secrets(config: ClusterConfig) -> list[str]:
    return [_SECRETS] if config.secrets else []


def _indented(lines: tuple[str, ...]) -> str:
    return "".join(f"    {line}\n" for line in lines)
