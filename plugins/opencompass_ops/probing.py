"""Ask ``python -m inference probe`` where data and weights live; here, on this host."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.contract import codec
from opencompass_ops.contract.probe import ProbeReport, ProbeRequest
from opencompass_ops.errors import PlanError

TIMEOUT_S = 1800
"""A first look hashes up to 4 GiB of weights per model."""


def probe(request: ProbeRequest, cluster: ClusterConfig) -> ProbeReport:
    """Rows, weight identities and request digests.

    :raises PlanError: the probe itself could not run; the message carries its last lines.
    """
    with tempfile.TemporaryDirectory(prefix="opencompass-ops-") as folder:
        question, answer = Path(folder, "request.json"), Path(folder, "report.json")
        question.write_text(request.to_json())
        argv = [cluster.interpreter, "-m", "inference", "probe", str(question), str(answer)]
        try:
            ended = subprocess.run(
                argv, env=cluster.job_environment(), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PlanError(f"the probe did not run: {error}; {_hint(cluster)}") from error
        if ended.returncode != 0:
            tail = "\n".join((ended.stdout + ended.stderr).splitlines()[-15:]) or "nothing"
            raise PlanError(
                f"the probe ended with {ended.returncode}; {_hint(cluster)}; {' '.join(argv[:4])} says:\n{tail}"
            )
        try:
            return ProbeReport.from_json(answer.read_bytes())
        except (OSError, codec.SchemaError) as error:
            raise PlanError(f"the probe left no readable report ({error}); {_hint(cluster)}") from error


def _hint(cluster: ClusterConfig) -> str:
    return f"python of cluster config {cluster.name!r} is {cluster.interpreter}; it must run the inference package"
