"""Models, datasets and summarizer by name, in place of a config."""

from __future__ import annotations

from opencompass_ops.planning.parameter import Parameter
from opencompass_ops.planning.table.headings import INSTEAD
from opencompass_ops.planning.table.patterns import CONFIG_NAME

NAMED_CONFIGS = (
    Parameter(
        "models",
        "array",
        "Models",
        "Model configs by name, one a line (hf_llama2_7b). Several files of one name are an error that lists them.",
        INSTEAD,
        default=(),
        flags=("--models",),
        pattern=CONFIG_NAME,
        expected="the name of a config, with * and ? for any letters",
        metavar="NAME",
    ),
    Parameter(
        "datasets",
        "array",
        "Datasets",
        "Dataset configs by name, one a line (gsm8k_gen). NAME/SUFFIX takes the lists whose names end with SUFFIX in "
        "place of _datasets.",
        INSTEAD,
        default=(),
        flags=("--datasets",),
        pattern=CONFIG_NAME,
        expected="the name of a config, with * and ? for any letters, or NAME/SUFFIX",
        metavar="NAME",
    ),
    Parameter(
        "summarizer",
        "string",
        "Summarizer",
        "Summarizer config by name, or NAME/KEY. Empty: every score, one row each.",
        INSTEAD,
        flags=("--summarizer",),
        pattern=CONFIG_NAME,
        expected="the name of a config, or NAME/KEY",
    ),
    Parameter(
        "config_dir",
        "string",
        "Config folder",
        "A folder with models/, datasets/ and summarizers/ that is searched before the others. Empty: ./configs, where "
        "there is one.",
        INSTEAD,
        flags=("--config-dir",),
    ),
    Parameter(
        "dataset_num_runs",
        "integer",
        "Runs per dataset",
        "Ask every dataset of 'Instead of a config' so many times (its n and k).",
        INSTEAD,
        default=1,
        flags=("--dataset-num-runs",),
        minimum=1,
    ),
)
