"""The one table of parameters: it makes the form, the REST schema, the command line's flags and their documentation.

DAG files import it when they are parsed, so it is standard library only. Names, defaults and flags are those of
OpenCompass's ``run.py`` (0.5.4, and the two of 0.2.5 that are gone there) where it has them. Each module holds the
parameters of one heading.
"""

from __future__ import annotations

from opencompass_ops.planning.table.bare_dataset import BARE_DATASET
from opencompass_ops.planning.table.bare_model import BARE_MODEL
from opencompass_ops.planning.table.changes import CONFIG_CHANGES
from opencompass_ops.planning.table.conduct import CONDUCT
from opencompass_ops.planning.table.essentials import ESSENTIALS
from opencompass_ops.planning.table.limits import RUN_LIMITS
from opencompass_ops.planning.table.named_configs import NAMED_CONFIGS
from opencompass_ops.planning.table.place import PLACE
from opencompass_ops.planning.table.resources import JOB_RESOURCES
from opencompass_ops.planning.table.unused import WITHOUT_EFFECT

PARAMETERS = (
    *ESSENTIALS,
    *NAMED_CONFIGS,
    *BARE_MODEL,
    *BARE_DATASET,
    *PLACE,
    *JOB_RESOURCES,
    *RUN_LIMITS,
    *CONDUCT,
    *CONFIG_CHANGES,
    *WITHOUT_EFFECT,
)
