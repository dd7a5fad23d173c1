"""Predictions and rows become scores, in OpenCompass's order of post-processors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inference.datasets import output_column
from inference.evaluators import EVALUATORS, Scored
from inference.loaders import Row
from inference.postprocess import open_postprocessor
from inference.problems import InputProblem, NotNative
from inference.registry import build_kwargs, check_options, section

_Evaluate = Callable[[list[Any], list[Any], dict[str, Any]], Scored]
_MATERIAL = ("rows", "prompts")
"""What evaluators are given beside predictions and references when they have such a parameter."""
_NOT_SCORED = "the dataset has no eval_cfg with an evaluator; add one, or run with mode infer"


@dataclass(frozen=True)
class Scores:
    """:param answers: predictions after post-processing.
    :param references: references after post-processing.
    """

    answers: list[Any]
    references: list[Any]
    scored: Scored


def check_model_scoring(model_cfg: dict[str, Any]) -> None:
    """Refuse a model whose ``pred_postprocessor`` is unknown.

    :raises InputProblem: it is.
    """
    open_postprocessor(model_cfg.get("pred_postprocessor"), "pred_postprocessor")


def check_scoring(dataset_cfg: dict[str, Any]) -> None:
    """Refuse a dataset whose evaluator or post-processors are unknown; one that is not scored passes.

    :raises NotNative: they are, or there are no references.
    """
    try:
        eval_cfg = section(dataset_cfg, "eval_cfg")
        if "evaluator" in eval_cfg:
            _evaluator(eval_cfg)
        for key in ("dataset_postprocessor", "pred_postprocessor"):
            open_postprocessor(eval_cfg.get(key), f"eval_cfg.{key}")
        if "evaluator" in eval_cfg and not output_column(dataset_cfg):
            raise NotNative("reader_cfg names no output_column, so there are no references")
    except NotNative:
        raise
    except InputProblem as problem:
        raise InputProblem(f"dataset {dataset_cfg.get('abbr', '?')}: {problem}") from problem


def score(
    model_cfg: dict[str, Any],
    dataset_cfg: dict[str, Any],
    predictions: list[Any],
    rows: list[Row],
    prompts: list[Any] | None = None,
) -> Scores:
    """Score predictions against the rows they answer.

    References go through ``dataset_postprocessor``; predictions through the model's ``pred_postprocessor``,
    then the dataset's, then the evaluator's own. ``pred_role`` changes nothing: OpenCompass's cut never
    happens (its guard is never true).

    :param prompts: what the model was asked for each row, as the predictions hold it.
    :raises InputProblem: nothing to score, several predictions for one row, no references, or an unknown type.
    """
    eval_cfg, column = section(dataset_cfg, "eval_cfg"), output_column(dataset_cfg)
    if not rows:
        raise InputProblem("there is no row to score; check test_range and limit")
    if not column:
        raise InputProblem("reader_cfg names no output_column, so there are no references; name it, or use mode infer")
    if any(not isinstance(prediction, (str, int, float)) for prediction in predictions):
        raise InputProblem("a prediction is neither text nor a label; several answers per row cannot be scored yet")
    evaluate, of_evaluator = _evaluator(eval_cfg)
    of_dataset = open_postprocessor(eval_cfg.get("dataset_postprocessor"), "eval_cfg.dataset_postprocessor")
    of_model = open_postprocessor(model_cfg.get("pred_postprocessor"), "the model's pred_postprocessor")
    of_prediction = open_postprocessor(eval_cfg.get("pred_postprocessor"), "eval_cfg.pred_postprocessor")
    references = [of_dataset(row[column]) for row in rows]
    answers = [of_evaluator(of_prediction(of_model(prediction))) for prediction in predictions]
    material = {"rows": rows, "prompts": prompts}
    return Scores(answers, references, evaluate(answers, references, material))


def _evaluator(eval_cfg: dict[str, Any]) -> tuple[_Evaluate, Callable[[str], Any]]:
    """The evaluator with its options, and the post-processor among them (any of OpenCompass's may have one)."""
    if "evaluator" not in eval_cfg:
        raise InputProblem(_NOT_SCORED)
    type_, options = build_kwargs(eval_cfg["evaluator"], "eval_cfg.evaluator")
    of_evaluator = open_postprocessor(options.pop("pred_postprocessor", None), "eval_cfg.evaluator.pred_postprocessor")
    evaluator = EVALUATORS.find(type_)
    asked = [name for name in _MATERIAL if name in inspect.signature(evaluator).parameters]
    check_options(evaluator, 2, {**options, **dict.fromkeys(asked)}, f"evaluator {type_}")

    def evaluate(answers: list[Any], references: list[Any], material: dict[str, Any]) -> Scored:
        return evaluator(answers, references, **options, **{name: material[name] for name in asked})

    return evaluate, of_evaluator
