"""Ask ``python -m inference probe`` what data and weights are, here or on the cluster's login node."""

from __future__ import annotations

import subprocess

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
    on_login = cluster.probe_on == "login"
    where = f"the login node of cluster {cluster.name!r}" if on_login else "this host"
    ended = run_to_end(_on_login(request, cluster)) if on_login else _here(request, cluster)
    if ended.returncode != 0:
        tail = "\n".join((ended.stdout + ended.stderr).decode(errors="replace").splitlines()[-15:]) or "nothing"
        raise PlanError(f"the probe on {where} ended with {ended.returncode}; {_hint(cluster)}; it says:\n{tail}")
    try:
        return ProbeReport.from_json(ended.stdout)
    except codec.SchemaError as error:
        raise PlanError(f"the probe on {where} left no readable report ({error}); {_hint(cluster)}") from error


def _here(request: ProbeRequest, cluster: ClusterConfig) -> Answer:
    # Only local jobs share this host's Python with the probe; it needs nothing but the standard library.
    is_ours = cluster.kind == "local" or request.engine == OPENCOMPASS
    here = cluster if is_ours else ClusterConfig(cluster.name, env=cluster.env)
    argv = [here.interpreter, "-m", "inference", "probe"]
    question = request.to_json().encode()
    try:
        ended = subprocess.run(
            argv, input=question, env=here.job_environment(), capture_output=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PlanError(f"the probe did not run: {error}; {_hint(cluster)}") from error
    return Answer(ended.returncode, ended.stdout, ended.stderr)


async def _on_login(request: ProbeRequest, cluster: ClusterConfig) -> Answer:
    argv = (cluster.interpreter, "-m", "inference", "probe")
    return await run_on_login(cluster, argv, request.to_json().encode(), timeout=TIMEOUT_S)


def _hint(cluster: ClusterConfig) -> str:
    if cluster.probe_on == "login":
        return (
            f"python of cluster config {cluster.name!r} is {cluster.interpreter}; it must be a Python 3.10 or later "
            "there: correct python, conda, modules or setup, or say probe_on='host' where this host sees the same files"
        )
    if cluster.kind != "local":
        return "this host must have the files of models and datasets; else say probe_on='login' in the cluster config"
    return f"python of cluster config {cluster.name!r} is {cluster.interpreter}; it must run the inference package"
