"""A file of rows that no config describes."""

from __future__ import annotations

from opencompass_ops.planning.parameter import Parameter
from opencompass_ops.planning.table.headings import DATASET

BARE_DATASET = (
    Parameter(
        "custom_dataset_path",
        "string",
        "Rows",
        "A .jsonl or .csv with a column answer: with columns A, B ... it is multiple choice (mcq), else questions "
        "(qa).",
        DATASET,
        flags=("--custom-dataset-path",),
    ),
    Parameter(
        "custom_dataset_meta_path",
        "string",
        "Description",
        "A JSON file that says more about it. Empty: its path and .meta.json, where there is one.",
        DATASET,
        flags=("--custom-dataset-meta-path",),
    ),
    Parameter(
        "custom_dataset_data_type",
        "string",
        "Kind of rows",
        "mcq or qa. Empty: by its columns.",
        DATASET,
        flags=("--custom-dataset-data-type",),
        choices=("mcq", "qa"),
    ),
    Parameter(
        "custom_dataset_infer_method",
        "string",
        "Kind of question",
        "gen: the model writes the answer. ppl: the options are ranked. Empty: gen.",
        DATASET,
        flags=("--custom-dataset-infer-method",),
        choices=("gen", "ppl"),
    ),
)
