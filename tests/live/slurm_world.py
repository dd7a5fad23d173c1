"""The live Airflow with a real Slurm behind a login node, whose jobs are another user's."""

from __future__ import annotations

import json
import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from live_world import World, until, write_gate, write_stand_in

from cluster.testbed import Testbed
from faults.evidence import Evidence

CONNECTION = "bed"
REAL, LIGHT = "bed", "bed_light"
"""Cluster configs: jobs that load the model, and jobs that do all but its arithmetic."""

CLUSTER = """
kind = 'slurm'
connection_id = {connection!r}
work_dir = {place!r} + '/outputs'
data_dir = {place!r}
state_dir = {place!r} + '/state'
python = {python!r}
group = {group!r}
umask = '002'
poll_interval = 1
env = dict(OMP_NUM_THREADS='1')
"""


@dataclass
class SlurmWorld(World):
    """What tests move beside the Airflow.

    :param place: a folder that Airflow and the jobs share.
    """

    bed: Testbed | None = None

    @classmethod
    def beside(cls, world: World, bed: Testbed) -> SlurmWorld:
        """Tell the Airflow of a world about the cluster."""
        place = bed.make_folder(f"live-{uuid.uuid4().hex[:8]}")
        found = cls(world.airflow, world.folder, place, REAL, "slurm", bed=bed)
        for model in ("model", "second-model"):
            shutil.copytree(world.folder / model, place / model, copy_function=shutil.copyfile)  # weights are 0600
        python = str(bed.python)
        stand_in = write_stand_in(place / "stand-in", python, found.gates)
        for name, program in {REAL: python, LIGHT: str(stand_in)}.items():
            found._configure(name, write_gate(place / name, found.gates, python, program))
        connection = bed.airflow_connection() | {"connection_id": CONNECTION}
        connection["extra"] = json.dumps(connection["extra"])
        world.airflow.rest.request("POST", "connections", json=connection)
        return found

    def evidence(self, run: str) -> Evidence:
        """What the run leaves behind, once it was planned."""
        return Evidence(self.bed, self.run_dir(run))

    def running(self, evidence: Evidence, count: int) -> list[str]:
        """Wait until so many jobs of a run are running; their ids."""

        def ids() -> list[str]:
            found = [row.job_id for row in evidence.rows() if row.state == "RUNNING"]
            return found if len(found) == count else []

        return until(ids, f"{count} running jobs", 240)

    @property
    def kills(self) -> int:
        """How often the controller was asked to cancel or signal a job."""
        return self.bed.slurmctld_log.read_text(errors="replace").count("REQUEST_KILL_JOB")

    def _configure(self, name: str, python: Path) -> None:
        values = {
            "connection": CONNECTION,
            "place": str(self.place),
            "python": str(python),
            "group": self.bed.bed.group,
        }
        (self.folder / "configs/clusters" / f"{name}.py").write_text(CLUSTER.format(**values))
