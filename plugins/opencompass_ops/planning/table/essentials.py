"""What nearly every request says, and the form shows at once."""

from __future__ import annotations

from opencompass_ops.planning.parameter import OVERRIDE_FIELDS, Parameter
from opencompass_ops.planning.table.headings import OPEN

MODES = ("all", "infer", "eval", "viz")

ESSENTIALS = (
    Parameter(
        "config",
        "string",
        "Config",
        "OpenCompass config that names models and datasets: a name below include/configs (eval_bbh), or a path. Empty: "
        "what 'Instead of a config' says.",
        OPEN,
    ),
    Parameter(
        "model_overrides",
        "array",
        "Checkpoints",
        'Evaluate these in place of the config\'s one model: [{"path": "/ckpt/step-1000"}, ...]. '
        "Each may also say tokenizer_path and abbr. Empty: the configured models.",
        OPEN,
        default=(),
        flags=("--model-override",),
        fields=OVERRIDE_FIELDS,
        metavar="path=P[,abbr=A]",
    ),
    Parameter(
        "limit",
        "integer",
        "Rows per dataset",
        "Use only the first rows of every dataset, for a first try. Empty: all rows.",
        OPEN,
        flags=("--limit",),
        minimum=1,
    ),
    Parameter(
        "max_num_workers",
        "integer",
        "Jobs at once",
        "At most this many jobs of the run are alive; the work is split so that they end at about the same time.",
        OPEN,
        default=1,
        flags=("--max-num-workers",),
        minimum=1,
    ),
    Parameter(
        "mode",
        "string",
        "Mode",
        "all: infer, evaluate, summarize. infer: predictions only. eval: score predictions that exist. "
        "viz: summarize results that exist.",
        OPEN,
        default="all",
        flags=("-m", "--mode"),
        choices=MODES,
    ),
)
