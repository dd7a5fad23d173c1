"""Environment variables by which a cluster tells a job what is known only once it runs."""

from __future__ import annotations

TOKEN = "OPENCOMPASS_OPS_TOKEN"  # noqa: S105  # a variable's name; the token is no secret
"""Name of the submission; whose environment has it belongs to the job."""
JOB_ID = "OPENCOMPASS_OPS_JOB_ID"
"""The cluster's handle."""
RESTART = "OPENCOMPASS_OPS_RESTART"
"""How often the cluster restarted the job under this id."""
LAUNCHER = "OPENCOMPASS_OPS_LAUNCHER"
"""What starts several processes: ``pytorch`` (torchrun, the default) or ``slurm`` (srun)."""
GUARD = "OPENCOMPASS_OPS_GUARD"
"""Set where the job's stdin stays open as long as its keeper lives, and the job shall end with it."""
BATCH_SCALE = "OPENCOMPASS_OPS_BATCH_SCALE"
"""By which the rows computed at once are multiplied, e.g. 0.5 after the device ran out of memory; batches stay."""
EXTENSIONS = "OPENCOMPASS_OPS_EXTENSIONS"
"""A site's modules with datasets and metrics, which jobs and probes import; separated by colons."""
VERDICTS = "OPENCOMPASS_OPS_VERDICTS"
"""A folder in which judges' answers are kept for all runs, instead of the run directory's own."""
