"""OpenCompass's names: what a model and a dataset are called, the prompt's hash, the mode."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from opencompass_ops.errors import ConfigError

_MODES = (
    ("GenInferencer", "gen"),
    ("PPLInferencer", "ppl"),
    ("PPLOnlyInferencer", "ppl"),
    ("LLInferencer", "ll"),
)


def model_abbr(model: Mapping[str, Any]) -> str:
    """The model's ``abbr``, else its type and the last two parts of its real path.

    :raises ConfigError: it has neither ``abbr`` nor a ``path`` to name it by.
    """
    if "abbr" in model:
        return str(model["abbr"])
    if not isinstance(model.get("path"), str):
        raise ConfigError(f"model of type {model.get('type')} has neither abbr nor path; give it an abbr")
    tail = os.path.realpath(model["path"]).split("/")[-2:]
    return f"{model['type']}_{'_'.join(tail)}".replace("/", "_")


def dataset_abbr(dataset: Mapping[str, Any]) -> str:
    """The dataset's ``abbr``, else its path and its ``name``.

    :raises ConfigError: it has neither ``abbr`` nor a ``path`` to name it by.
    """
    if "abbr" in dataset:
        return str(dataset["abbr"])
    if not isinstance(dataset.get("path"), str):
        raise ConfigError(f"dataset of type {dataset.get('type')} has neither abbr nor path; give it an abbr")
    name = f"_{dataset['name']}" if "name" in dataset else ""
    return f"{dataset['path']}{name}".replace("/", "_")


def prompt_hash(dataset: Mapping[str, Any]) -> str:
    """OpenCompass's hash (sha256, hex) of how a dataset is asked; its first six digits are the table's version.

    Covers ``infer_cfg`` only. Two things are brought into an older shape first, so that old hashes stay:
    ``fix_id_list`` belongs to the inferencer, and a ``reader_cfg`` inside ``infer_cfg`` (the first releases' way)
    adds a reader and shortens the types. Seen in OpenCompass 0.5.4, ``opencompass/utils/prompt.py``.
    """
    infer = copy.deepcopy(dict(dataset["infer_cfg"]))
    if "reader_cfg" in infer:
        _to_first_shape(infer, dataset["reader_cfg"])
    retriever = infer.get("retriever", {})
    if "fix_id_list" in retriever:
        infer["inferencer"]["fix_id_list"] = retriever.pop("fix_id_list")
    return hashlib.sha256(json.dumps(infer, sort_keys=True).encode()).hexdigest()


def file_hashes(datasets: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The hashes (sha256, hex) whose first six digits may stand at the end of a dataset file's name.

    OpenCompass's files carry that of their first dataset, or that of all datasets' hashes joined by commas.

    :param datasets: those of the file that have an ``infer_cfg``.
    """
    hashes = [prompt_hash(dataset) for dataset in datasets]
    if len(hashes) < 2:
        return tuple(hashes)
    return hashes[0], hashlib.sha256(",".join(hashes).encode()).hexdigest()


def mode(dataset: Mapping[str, Any]) -> str:
    """``gen``, ``ppl``, ``ll`` or ``unknown``, by the name of the inferencer's class: the summary's column."""
    kind = str(dataset.get("infer_cfg", {}).get("inferencer", {}).get("type", ""))
    return next((name for part, name in _MODES if part in kind), "unknown")


def _to_first_shape(infer: dict[str, Any], reader: Mapping[str, Any]) -> None:
    infer["reader"] = {
        "type": "DatasetReader",
        "input_columns": reader["input_columns"],
        "output_column": reader["output_column"],
    }
    for ours, theirs in (("train_split", "index_split"), ("test_split", "test_split")):
        if ours in infer["reader_cfg"]:
            infer["retriever"][theirs] = infer["reader_cfg"][ours]
    for part in infer.values():
        part["type"] = part["type"].split(".")[-1]
