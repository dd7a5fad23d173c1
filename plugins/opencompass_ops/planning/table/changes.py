"""Changes to the config."""

from __future__ import annotations

from opencompass_ops.planning.parameter import Parameter
from opencompass_ops.planning.table.headings import CHANGES
from opencompass_ops.planning.table.patterns import KEY_VALUE, WRITE_KEY_VALUE

CONFIG_CHANGES = (
    Parameter(
        "cfg_options",
        "array",
        "Config options",
        "Settings merged into the config, one key=value a line, with dots for nesting (models.0.batch_size=8).",
        CHANGES,
        default=(),
        flags=("--cfg-options",),
        pattern=KEY_VALUE,
        expected=WRITE_KEY_VALUE,
        metavar="KEY=VALUE",
    ),
)
