"""What is asked of the cluster for each job."""

from __future__ import annotations

from opencompass_ops.planning.parameter import SLURM, Parameter
from opencompass_ops.planning.table.headings import RESOURCES

JOB_RESOURCES = (
    Parameter(
        "partition",
        "string",
        "Partition",
        "Slurm partition of all jobs of the run. Empty: the model's run_cfg, the cluster config, or else Slurm's own.",
        RESOURCES,
        kinds=(SLURM,),
        flags=("-p", "--partition"),
    ),
    Parameter(
        "quotatype",
        "string",
        "Quota type",
        "auto, reserved or spot, where the site's Slurm has --quotatype. Empty: as for the partition.",
        RESOURCES,
        kinds=(SLURM,),
        flags=("-q", "--quotatype"),
        choices=("auto", "reserved", "spot"),
    ),
    Parameter(
        "qos",
        "string",
        "QOS",
        "Slurm quality of service.",
        RESOURCES,
        kinds=(SLURM,),
        flags=("--qos",),
    ),
    Parameter(
        "account",
        "string",
        "Account",
        "Slurm account that pays.",
        RESOURCES,
        kinds=(SLURM,),
        flags=("--account",),
    ),
    Parameter(
        "reservation",
        "string",
        "Reservation",
        "Slurm reservation to use.",
        RESOURCES,
        kinds=(SLURM,),
        flags=("--reservation",),
    ),
    Parameter(
        "minutes",
        "integer",
        "Minutes per job",
        "Time limit of a job; the cluster's own limit holds where it is shorter. A job that meets it is continued by "
        "the next one.",
        RESOURCES,
        flags=("--minutes",),
        minimum=1,
    ),
    Parameter(
        "mem",
        "string",
        "Memory per job",
        "Host memory, such as 64G.",
        RESOURCES,
        kinds=(SLURM,),
        flags=("--mem",),
        pattern=r"^[0-9]+[KMGT]?$",
        expected="a size like 64G",
    ),
    Parameter(
        "exclude",
        "string",
        "Nodes to avoid",
        "Slurm nodes that no job shall run on: n01,n[07-09].",
        RESOURCES,
        kinds=(SLURM,),
        flags=("--exclude",),
    ),
    Parameter(
        "extra_args",
        "array",
        "Further sbatch options",
        "One a line, from an allowed list: --exclusive, --tmp=10G, --licenses=... (on the command line: "
        "--extra-args=--exclusive).",
        RESOURCES,
        kinds=(SLURM,),
        default=(),
        flags=("--extra-args",),
        pattern=r"^--[a-z].*$",
        expected="--option or --option=value",
        metavar="--OPTION[=VALUE]",
    ),
)
