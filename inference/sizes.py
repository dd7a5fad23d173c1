"""Numbers of a config that a job needs, looked at before there is one and without loading torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from inference.build import inference_mode
from inference.problems import InputProblem

_SIZES = ("batch_size", "max_out_len", "max_seq_len")


def check_model_sizes(model_cfg: dict[str, Any]) -> None:
    """Refuse sizes that are no positive whole numbers; one that is not said passes.

    :raises InputProblem: names key and value.
    """
    _check(model_cfg, "")


def check_dataset_sizes(dataset_cfg: dict[str, Any], models: Iterable[dict[str, Any]]) -> None:
    """The same for the dataset's inferencer, and a generation needs an end: ``max_out_len`` of inferencer or model.

    :raises InputProblem: names key and value, or the models that lack it.
    """
    try:
        _check_dataset(dataset_cfg, models)
    except InputProblem as problem:
        raise InputProblem(f"dataset {dataset_cfg.get('abbr', '?')}: {problem}") from problem


def _check_dataset(dataset_cfg: dict[str, Any], models: Iterable[dict[str, Any]]) -> None:
    mode = inference_mode(dataset_cfg)
    inferencer = dataset_cfg["infer_cfg"]["inferencer"]
    _check(inferencer, "infer_cfg.inferencer.")
    if mode != "gen" or inferencer.get("max_out_len") is not None:
        return
    endless = [str(model.get("abbr", "?")) for model in models if model.get("max_out_len") is None]
    if endless:
        raise InputProblem(
            f"neither its inferencer nor model {', '.join(endless)} has a max_out_len; give one of them the most "
            "tokens of an answer"
        )


def _check(values: dict[str, Any], place: str) -> None:
    for key in _SIZES:
        value = values.get(key)
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise InputProblem(f"{place}{key} is {value!r}; give a whole number of at least 1")
