"""What a testbed offers to those who use it: an Airflow connection, a cluster config, a few lines of help."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from cluster.blueprint import Blueprint
from cluster.settings import SSH_HOST
from cluster.testbed import Testbed

CONNECTION = "testbed"
SHIPPED = Path(__file__).resolve().parents[2] / "include" / "configs"

HELP = """  as a user           ssh -F {folder}/ssh/config {host} sinfo
  as administrator    SLURM_CONF={folder}/etc/slurm.conf squeue
  for opencompass-ops export AIRFLOW_CONN_{variable}="$(cat {folder}/connection.json)"
                      export OPENCOMPASS_OPS_CONFIG_DIR={folder}/configs
                      opencompass-ops run ... --cluster {connection}
  shared folder       {folder}/shared  (group {group})
  logs                {folder}/log
  take it down        make cluster-down"""


def offer(testbed: Testbed) -> str:
    """Write ``connection.json``, and the shipped configs with this cluster's; returns how to use them.

    :raises RuntimeError: the testbed's users cannot run Python with the packages that are installed here.
    """
    bed = testbed.bed
    (bed.folder / "connection.json").write_text(json.dumps(testbed.airflow_connection()))
    configs = bed.folder / "configs"
    shutil.copytree(SHIPPED, configs, dirs_exist_ok=True)
    (configs / "clusters" / f"{CONNECTION}.py").write_text(cluster_config(bed, testbed.python))
    names = {"host": SSH_HOST, "connection": CONNECTION, "variable": CONNECTION.upper()}
    return HELP.format(folder=bed.folder, group=bed.group, **names)


def cluster_config(bed: Blueprint, python: Path) -> str:
    """A cluster config for this testbed; run directories, data and checkpoints belong below ``shared``.

    :param python: runs the jobs.
    """
    values = {
        "kind": "slurm",
        "connection_id": CONNECTION,
        "work_dir": str(bed.shared / "outputs"),
        "data_dir": str(bed.shared),
        "python": str(python),
        "umask": "002",
        "group": bed.group,
        "offline": True,
        "poll_interval": 2,
        "env": {"OMP_NUM_THREADS": "1"},  # all nodes are this one machine
        "resources": {"partition": "gpu", "num_gpus": 0},
    }
    return "".join(f"{key} = {value!r}\n" for key, value in values.items())
