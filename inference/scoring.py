"""Predictions and rows become scores, in OpenCompass's order of post-processors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inference.code_runs import Sandbox
from inference.datasets import output_column
from inference.evaluators import EVALUATORS, Scored, check_requirements, needs_references, takes_many
from inference.judging import Court
from inference.loaders import Row
from inference.postprocess import open_postprocessor
from inference.problems import InputProblem, NotNative
from inference.registry import build_kwargs, check_options, section
from inference.runs import Runs, read_runs

_Evaluate = Callable[[list[Any], list[Any], dict[str, Any]], Scored]
_MATERIAL = ("rows", "prompts", "court", "sandbox", "run")
"""What evaluators are given beside predictions and references when they have such a parameter."""
_WHERE = "eval_cfg.evaluator"
_NOT_SCORED = "the dataset has no eval_cfg with an evaluator; add one, or run with mode infer"


@dataclass(frozen=True)
class Scores:
    """:param answers: predictions after post-processing, run after run.
    :param references: references after post-processing, as many.
    :param runs: what the evaluator says of each run over the dataset.
    :param wanted: how many runs there are and how many are drawn of them.
    """

    answers: list[Any]
    references: list[Any]
    runs: list[Scored]
    wanted: Runs

    @property
    def correct(self) -> list[bool | None]:
        """Whether each item is, run after run; None where nothing is right or wrong."""
        size = len(self.answers) // len(self.runs)
        return [one for run in self.runs for one in (run.correct or [None] * size)]

    @property
    def unjudged(self) -> int:
        """Items that got no score."""
        return sum(len(run.unjudged) for run in self.runs)

    @property
    def unanswered(self) -> int:
        """Those of them that another try may give one."""
        return sum(run.unanswered for run in self.runs)


def check_model_scoring(model_cfg: dict[str, Any]) -> None:
    """Refuse a model whose ``pred_postprocessor`` is unknown.

    :raises InputProblem: it is.
    """
    open_postprocessor(model_cfg.get("pred_postprocessor"), "pred_postprocessor")


def check_scoring(dataset_cfg: dict[str, Any]) -> None:
    """Refuse a dataset whose evaluator or post-processors are unknown; one that is not scored passes.

    :raises NotNative: nothing native has one of them, or it needs what only OpenCompass has.
    :raises InputProblem: one of them is malformed, or lacks a package.
    """
    try:
        eval_cfg = section(dataset_cfg, "eval_cfg")
        opened = open_evaluator(eval_cfg["evaluator"], _WHERE) if "evaluator" in eval_cfg else None
        for key in ("dataset_postprocessor", "pred_postprocessor"):
            open_postprocessor(eval_cfg.get(key), f"eval_cfg.{key}")
        if opened is not None and opened.needs_references and not output_column(dataset_cfg):
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
    court: Court | None = None,
    sandbox: Sandbox | None = None,
) -> Scores:
    """Score predictions against the rows they answer.

    References go through ``dataset_postprocessor``; predictions through the model's ``pred_postprocessor``,
    then the dataset's, then the evaluator's own; each of several answers to one row by itself. ``pred_role``
    changes nothing: OpenCompass's cut never happens (its guard is never true).

    :param rows: of all runs, one run after the other.
    :param prompts: what the model was asked for each row, as the predictions hold it.
    :param court: what judges need, for evaluators that ask one.
    :param sandbox: where programs that models wrote may run, for evaluators that run them.
    :raises InputProblem: nothing to score, several predictions for one row, no references, or an unknown type.
    """
    eval_cfg, column, wanted = section(dataset_cfg, "eval_cfg"), output_column(dataset_cfg), read_runs(dataset_cfg)
    if not rows or len(rows) % wanted.n:
        raise InputProblem(f"{len(rows)} rows are there for {wanted.n} runs; check test_range, limit and n")
    if "evaluator" not in eval_cfg:
        raise InputProblem(_NOT_SCORED)
    evaluator = open_evaluator(eval_cfg["evaluator"], _WHERE)
    if not column and evaluator.needs_references:
        raise InputProblem("reader_cfg names no output_column, so there are no references; name it, or use mode infer")
    reduce = _reducer(model_cfg, eval_cfg, evaluator)
    of_dataset = open_postprocessor(eval_cfg.get("dataset_postprocessor"), "eval_cfg.dataset_postprocessor")
    references = [of_dataset(row[column]) if column else None for row in rows]
    answers = [reduce(prediction) for prediction in predictions]
    shown = [{**row, column: reference} if column else row for row, reference in zip(rows, references, strict=True)]
    material = {"rows": shown, "prompts": prompts or [None] * len(rows)}
    whole = {"court": court, "sandbox": sandbox}
    runs = [
        evaluator.evaluate(
            wanted.of(answers, run),
            wanted.of(references, run),
            {**{name: wanted.of(items, run) for name, items in material.items()}, **whole, "run": run},
        )
        for run in range(wanted.n)
    ]
    return Scores(answers, references, runs, wanted)


def _reducer(model_cfg: dict[str, Any], eval_cfg: dict[str, Any], evaluator: Opened) -> Callable[[Any], Any]:
    """A prediction through the post-processors of model, dataset and evaluator."""
    of_model = open_postprocessor(model_cfg.get("pred_postprocessor"), "the model's pred_postprocessor")
    of_dataset = open_postprocessor(eval_cfg.get("pred_postprocessor"), "eval_cfg.pred_postprocessor")

    def reduce(prediction: Any) -> Any:
        if isinstance(prediction, list) and evaluator.takes_many:
            return [reduce(one) for one in prediction]
        if not isinstance(prediction, (str, int, float)):
            raise InputProblem("a prediction is neither text nor a label; this evaluator scores one answer per row")
        return evaluator.reduce(of_dataset(of_model(prediction)))  # type: ignore[arg-type]  # labels are numbers

    return reduce


@dataclass(frozen=True)
class Opened:
    """:param evaluate: takes predictions, references and material.
    :param reduce: the evaluator's own post-processor.
    :param takes_many: whether a prediction may be a list.
    :param needs_references: whether it compares with the output column.
    """

    evaluate: _Evaluate
    reduce: Callable[[Any], Any]
    takes_many: bool
    needs_references: bool


def open_evaluator(config: Any, where: str) -> Opened:
    """An evaluator with its options; the post-processor among them (any of OpenCompass's may have one) stands apart.

    :param where: the config's place, for messages.
    :raises InputProblem: it is unknown, has options it does not take, or lacks what it requires.
    """
    type_, options = build_kwargs(config, where)
    of_evaluator = open_postprocessor(options.pop("pred_postprocessor", None), f"{where}.pred_postprocessor")
    evaluator = EVALUATORS.find(type_)
    asked = [name for name in _MATERIAL if name in inspect.signature(evaluator).parameters]
    check_options(evaluator, 2, {**options, **dict.fromkeys(asked)}, f"evaluator {type_}")
    try:
        check_requirements(evaluator, options)
    except InputProblem as problem:
        raise type(problem)(f"evaluator {type_}: {problem}") from problem

    def evaluate(answers: list[Any], references: list[Any], material: dict[str, Any]) -> Scored:
        return evaluator(answers, references, **options, **{name: material[name] for name in asked})

    return Opened(evaluate, of_evaluator, takes_many(evaluator), needs_references(evaluator))
