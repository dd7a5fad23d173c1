"""Ask ``python -m inference probe`` what data and weights are, here or on the cluster's login node."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.shell import Answer, run_to_end
from opencompass_ops.clusters.slurm.login import run_on_login
from opencompass_ops.contract import codec
from opencompass_ops.contract.probe import ProbeReport, ProbeRequest
from opencompass_ops.contract.spec import OPENCOMPASS
from opencompass_ops.errors import PlanError

TIMEOUT_S = 1800
"""A first look hashes up to 4 GiB of weights per model."""


def probe(request: ProbeRequest, cluster: ClusterConfig) -> ProbeReport:
    """Rows, weight identities and request digests; not for use in an event loop.

    :param request: its paths as the place of the probe sees them.
    :raises PlanError: the probe itself could not run; the message carries its last lines.
    :raises UnsureError: the login node could not be asked.
    """
    cluster = cluster.for_probe(request.engine)
    # The probe needs nothing but the standard library, which this host's Python has where jobs run elsewhere.
    is_ours = cluster.kind == "local" or request.engine == OPENCOMPASS
    here = cluster if is_ours else ClusterConfig(cluster.name, env=cluster.env)
    told = ask("probe", request.to_json().encode(), cluster, here)
    try:
        return ProbeReport.from_json(told)
    except codec.SchemaError as error:
        raise PlanError(
            f"the probe on {_where(cluster)} left no readable report ({error}); {_hint(cluster)}"
        ) from error


def ask(command: str, question: bytes, cluster: ClusterConfig, here: ClusterConfig) -> bytes:
    """What ``python -m inference COMMAND`` answers where a cluster's data are seen; not for use in an event loop.

    :param question: its stdin.
    :param here: whose interpreter answers where that is this host.
    :raises PlanError: it could not run; the message carries its last lines.
    :raises UnsureError: the login node could not be asked.
    """
    on_login = cluster.probe_on == "login"
    argv = (cluster.interpreter if on_login else here.interpreter, "-m", "inference", command)
    if on_login:
        ended = run_to_end(run_on_login(cluster, argv, question, timeout=TIMEOUT_S))
    else:
        ended = _here(argv, question, here, _hint(cluster))
    if ended.returncode != 0:
        tail = "\n".join((ended.stdout + ended.stderr).decode(errors="replace").splitlines()[-15:]) or "nothing"
        raise PlanError(
            f"the {command} on {_where(cluster)} ended with {ended.returncode}; {_hint(cluster)}; it says:\n{tail}"
        )
    return ended.stdout


def _where(cluster: ClusterConfig) -> str:
    return f"the login node of cluster {cluster.name!r}" if cluster.probe_on == "login" else "this host"


def _here(argv: Sequence[str], question: bytes, here: ClusterConfig, hint: str) -> Answer:
    try:
        ended = subprocess.run(
            argv, input=question, env=here.job_environment(), capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlanError(f"python -m inference {argv[-1]} did not run: {error}; {hint}") from error
    return Answer(ended.returncode, ended.stdout, ended.stderr)


def _hint(cluster: ClusterConfig) -> str:
    if cluster.probe_on == "login":
        return (
            f"python of cluster config {cluster.name!r} is {cluster.interpreter}; it must be a Python 3.10 or later "
            "there: correct python, conda, modules or setup, or say probe_on='host' where this host sees the same files"
        )
    if cluster.kind != "local":
        return "this host must have the files of models and datasets; else say probe_on='login' in the cluster config"
    return f"python of cluster config {cluster.name!r} is {cluster.interpreter}; it must run the inference package"
