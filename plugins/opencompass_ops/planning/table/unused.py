"""What OpenCompass takes and nothing follows from, or is not to be had."""

from __future__ import annotations

from opencompass_ops.planning.parameter import Parameter
from opencompass_ops.planning.table.headings import UNUSED

WITHOUT_EFFECT = (
    Parameter(
        "read_from_station",
        "boolean",
        "Read from station",
        "Take scores from the results station.",
        UNUSED,
        default=False,
        flags=("--read-from-station",),
        dead="the station knows files by name only; scores that exist are found in the results database by what was "
        "asked, in every run, and are not computed again",
    ),
    Parameter(
        "dump_extract_rate",
        "boolean",
        "Dump extract rate",
        "Count the answers that could be extracted.",
        UNUSED,
        default=False,
        flags=("--dump-extract-rate",),
        dead="OpenCompass never comes to the place that counts them; every result's manifest counts empty answers",
    ),
    Parameter(
        "min_out_len",
        "integer",
        "Min out len",
        "Fewest tokens of an answer.",
        UNUSED,
        flags=("--min-out-len",),
        dead="OpenCompass reads the flag and gives it to no model; write min_out_len into a model config",
    ),
    Parameter(
        "num_gpus",
        "integer",
        "Num gpus",
        "Old name of --hf-num-gpus.",
        UNUSED,
        flags=("--num-gpus",),
        refused="OpenCompass refuses it too; write --hf-num-gpus",
    ),
)
