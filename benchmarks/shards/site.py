"""A Slurm, an Airflow and trivial jobs: where everything is measured."""

from __future__ import annotations

import json
import os
import pwd
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.shards.diagnostics import Rpcs
from benchmarks.shards.meters import Meter
from benchmarks.shards.trivial import GATE_VARIABLE, ROW_COST, SECONDS_VARIABLE, Trivial
from cluster.testbed import Testbed
from scripts.embedded import EmbeddedAirflow

DAGS = Path(__file__).with_name("dags")
STALL_SECONDS = 0.2
AT_GATE, TIMED = "at_gate", "timed"

CLUSTER = """kind = 'slurm'
connection_id = 'bed'
work_dir = {work_dir!r}
data_dir = {data_dir!r}
python = {python!r}
umask = '002'
group = {group!r}
env = {env!r}
"""


@dataclass(frozen=True)
class Site:
    """What runs, and where things lie.

    :param seconds: how long a job of the cluster config ``timed`` sleeps before its work.
    """

    folder: Path
    bed: Testbed
    airflow: EmbeddedAirflow
    trivial: Trivial
    outputs: Path
    seconds: int

    @property
    def database(self) -> str:
        """URL of the results database."""
        return os.environ["OPENCOMPASS_OPS_DATABASE"]

    @property
    def triggerer_log(self) -> Path:
        """What the triggerer prints."""
        return self.airflow.home.logs / "triggerer.log"

    def rpcs(self) -> Rpcs:
        """What slurmctld counts since the last reset."""
        return Rpcs.parse(self.bed.run("sdiag"))

    def accounting_rpcs(self) -> Rpcs:
        """What slurmdbd counts since the last reset."""
        return Rpcs.parse(self.bed.run("sacctmgr", "show", "stats"))

    def reset(self) -> None:
        """Let both count from zero."""
        self.bed.run("sdiag", "--reset")
        self.bed.run("sacctmgr", "-i", "clear", "stats")

    @property
    def uid(self) -> int:
        """The account's user id."""
        return pwd.getpwnam(self.bed.user).pw_uid

    def meter(self) -> Meter:
        """A new meter, for one measurement."""
        pids = self.airflow.pids
        return Meter(scheduler=pids["scheduler"], triggerer=pids["triggerer"], uid=self.uid, rpcs=self.rpcs)

    def params(self, name: str, shards: int, cluster: str) -> dict[str, Any]:
        """A request for ``shards`` shards of one row each, all of which may be alive at once."""
        return {
            "config": str(self.trivial.config(name, shards)),
            "cluster": cluster,
            "work_dir": str(self.outputs / name),
            "mode": "infer",
            "max_partition_size": ROW_COST,
            "max_num_workers": shards,
        }

    def run_dir(self, name: str) -> Path:
        """The run directory of a request, once it was planned."""
        return next((self.outputs / name).glob("[0-9]*_[0-9]*"))


@contextmanager
def site(folder: Path, seconds: int) -> Iterator[Site]:
    """Bring everything up; nothing is left when it is left.

    :param folder: empty or absent; every user must be able to reach it.
    """
    with ExitStack() as stack:
        bed = Testbed.up(folder / "bed")
        stack.callback(bed.down)
        configs = folder / "configs"
        configs.mkdir()
        trivial = Trivial(bed.shared, configs)
        trivial.write(bed.python)
        outputs = bed.make_folder("outputs")
        _write_clusters(bed, trivial, outputs, seconds)
        os.environ.update(
            OPENCOMPASS_OPS_CONFIG_DIR=str(configs),
            OPENCOMPASS_OPS_DATABASE=f"sqlite:///{folder / 'results.db'}",
            OPENCOMPASS_OPS_HOME=str(folder),
            XDG_CACHE_HOME=str(folder / "cache"),
        )
        env = {
            "AIRFLOW_CONN_BED": json.dumps(bed.airflow_connection()),
            # its watchdog sleeps 0.1 s between two looks, and its figures contain that
            "AIRFLOW__TRIGGERER__BLOCKED_MAIN_THREAD_WARNING_THRESHOLD": str(STALL_SECONDS + 0.1),
        }
        airflow = stack.enter_context(EmbeddedAirflow(folder / "airflow", dags=DAGS, env=env))
        for dag in ("opencompass_eval", "noop", "srun"):
            airflow.rest.wait_for_dag(dag)
        yield Site(folder, bed, airflow, trivial, outputs, seconds)


def _write_clusters(bed: Testbed, trivial: Trivial, outputs: Path, seconds: int) -> None:
    clusters = trivial.configs / "clusters"
    clusters.mkdir()
    environments = {AT_GATE: {GATE_VARIABLE: str(trivial.gate)}, TIMED: {SECONDS_VARIABLE: str(seconds)}}
    for name, env in environments.items():
        text = CLUSTER.format(
            work_dir=str(outputs),
            data_dir=str(bed.shared),
            python=str(trivial.interpreter),
            group=bed.bed.group,
            env=env,
        )
        (clusters / f"{name}.py").write_text(text)
