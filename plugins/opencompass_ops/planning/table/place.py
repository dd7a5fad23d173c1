"""Where jobs run and where their files lie."""

from __future__ import annotations

from opencompass_ops.planning.parameter import DLC, LOCAL, Parameter
from opencompass_ops.planning.table.headings import WHERE
from opencompass_ops.planning.table.patterns import CLUSTER_NAME, NAME

LATEST = "latest"

PLACE = (
    Parameter(
        "cluster",
        "string",
        "Cluster",
        "Name of a cluster config (include/configs/clusters/NAME.py): where the jobs run. It replaces the config's own "
        "infer and eval sections. Empty: those sections, else local.",
        WHERE,
        flags=("--cluster",),
        shorthands=(("--slurm", "slurm"), ("--dlc", "dlc")),
        pattern=CLUSTER_NAME,
    ),
    Parameter(
        "eval_cluster",
        "string",
        "Cluster of evaluations",
        "Name of the cluster config on which answers are scored. Empty: the config's eval section, else as 'Cluster'.",
        WHERE,
        flags=("--eval-cluster",),
        pattern=CLUSTER_NAME,
    ),
    Parameter(
        "image",
        "string",
        "Image",
        "Container image of the jobs, in place of the one in the cluster config.",
        WHERE,
        flags=("--image",),
    ),
    Parameter(
        "aliyun_cfg",
        "string",
        "Aliyun config",
        "File (.py) with the settings of PAI-DLC, for the cluster dlc. Empty: ~/.aliyun.cfg.",
        WHERE,
        kinds=(DLC,),
        flags=("--aliyun-cfg",),
    ),
    Parameter(
        "max_workers_per_gpu",
        "integer",
        "Jobs per GPU",
        "Jobs that may share a GPU of a local cluster. Empty: as its config says.",
        WHERE,
        kinds=(LOCAL,),
        flags=("--max-workers-per-gpu",),
        minimum=1,
    ),
    Parameter(
        "work_dir",
        "string",
        "Work dir",
        "Folder that holds one folder per run. Empty: the config's work_dir, else outputs/default.",
        WHERE,
        flags=("-w", "--work-dir"),
    ),
    Parameter(
        "reuse",
        "string",
        "Reuse run",
        "Continue in a folder of the work dir: its name (YYYYmmdd_HHMMSS) or 'latest'. Empty: a new folder.",
        WHERE,
        flags=("-r", "--reuse"),
        bare=LATEST,
        pattern=NAME,
    ),
)
