"""What a run may use of clock and GPUs."""

from __future__ import annotations

from opencompass_ops.planning.parameter import Parameter
from opencompass_ops.planning.table.headings import LIMITS
from opencompass_ops.planning.table.patterns import HOURS

OFF = "off"
HOURS_OFFERED = ("1", "2", "4", "6", OFF)
"""What the form proposes beside free text."""

RUN_LIMITS = (
    Parameter(
        "shard_hours",
        "string",
        "Hours per shard",
        "A shard that has run so long is stopped: 1, 2, 4, 6 or any number of hours, or off. What it has answered is "
        "kept, and the run goes on with 'Reuse run'.",
        LIMITS,
        default="6",
        flags=("--shard-hours",),
        pattern=HOURS,
        expected="a number of hours such as 1, 2, 4, 6 or 1.5, or the word off",
    ),
    Parameter(
        "run_hours",
        "string",
        "Hours of the run",
        "So long after its launch all that still waits or runs is stopped: any number of hours, or off.",
        LIMITS,
        default="24",
        flags=("--run-hours",),
        pattern=HOURS,
        expected="a number of hours such as 1, 2, 4, 6 or 1.5, or the word off",
    ),
    Parameter(
        "gpu_hours",
        "string",
        "GPU-hours of the run",
        "Once its jobs have used so many hours of GPUs, the newest are stopped first. Off: only what the site grants "
        "user, series and day holds.",
        LIMITS,
        default=OFF,
        flags=("--gpu-hours",),
        pattern=HOURS,
        expected="a number of GPU-hours such as 8, or the word off",
    ),
)
