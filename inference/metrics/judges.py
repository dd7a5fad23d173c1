"""Answers judged by a language model, alone or after rules.

What the judge did not answer gets no score: those items are named in the result, the metrics are those of the
others, and ``coverage`` says how many per cent these are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inference.datasets import load_rows
from inference.evaluators import EVALUATORS, Metric, Scored, requires
from inference.grades import GRADINGS, grade
from inference.judge import Unanswered, check_judge, open_judge
from inference.judging import Court, Verdict, check_template, entries, judge_rows, prompts_for_judge
from inference.loaders import Row
from inference.postprocess import open_postprocessor
from inference.problems import InputProblem, NotNative
from inference.registry import build_kwargs, check_options
from inference.scoring import Opened, open_evaluator


def _check_generic(options: dict[str, Any]) -> None:
    judge_cfg = options.get("judge_cfg") or {}
    check_judge(judge_cfg)
    check_template(options.get("prompt_template"))
    open_postprocessor(judge_cfg.get("pred_postprocessor"), "judge_cfg.pred_postprocessor")
    if options.get("dict_postprocessor") is None:
        raise NotNative("without a dict_postprocessor it has no metric")
    type_, kwargs = build_kwargs(options["dict_postprocessor"], "dict_postprocessor")
    check_options(GRADINGS.find(type_), 1, kwargs, f"dict_postprocessor {type_}")


@EVALUATORS.add("GenericLLMEvaluator")
@requires(_check_generic)
def judged(
    predictions: list[Any],
    references: list[Any],
    *,
    rows: list[Row],
    court: Court,
    prompt_template: dict[str, Any],
    judge_cfg: dict[str, Any] | None = None,
    dataset_cfg: dict[str, Any] | None = None,
    dict_postprocessor: dict[str, Any],
    keep_predictions: bool = False,
) -> Scored:
    """What a judge says of each prediction, shown with the columns of ``dataset_cfg``'s rows, else of the scored ones.

    ``obj_gold``, the reference, is a column beside ``dataset_cfg``'s only, as in OpenCompass.

    :param keep_predictions: changes nothing, as in OpenCompass.
    """
    shown = _rows(dataset_cfg, rows, court) if dataset_cfg else rows
    asked = [
        {**row, "prediction": said, "reference": wanted, **({"obj_gold": wanted} if dataset_cfg else {})}
        for row, said, wanted in zip(shown, predictions, references, strict=True)
    ]
    verdicts = dict(enumerate(_verdicts(asked, prompt_template, judge_cfg, court)))
    said, unjudged = _said(verdicts, judge_cfg)
    type_, options = build_kwargs(dict_postprocessor, "dict_postprocessor")
    graded = GRADINGS.find(type_)(said, **options) if said else ()
    tags = {key: options[key] for key in ("true_tag", "false_tag") if key in options}
    right = tags.get("true_tag", "A")
    correct = [grade(said[item], **tags) == right if item in said else None for item in verdicts]
    details = [_detail(verdicts[item], said.get(item), references[item]) for item in verdicts]
    scores = [None if one is None else 100.0 * one for one in correct]
    metrics = (*graded, *_coverage(len(said), len(verdicts)))
    judgements = {"": entries(verdicts, references)}
    return Scored(metrics, scores, correct, details, {}, unjudged, len(unjudged), judgements)


def _rows(dataset_cfg: dict[str, Any], rows: list[Row], court: Court) -> list[Row]:
    """The rows of a judge's own dataset config; more than are scored only where those are its first ones.

    :raises InputProblem: they are others.
    """
    loaded = load_rows({**dataset_cfg, "n": 1, "k": 1}, court.data_dir)
    own = [loaded[index] for index in range(len(loaded.selected))]
    if len(own) == len(rows):
        return own
    shared = set(rows[0]) & set(own[0]) if rows and own else set()
    column = (dataset_cfg.get("reader_cfg") or {}).get("output_column")
    same = all(one[key] == other[key] for one, other in zip(own, rows, strict=False) for key in shared - {column})
    if len(own) < len(rows) or not shared or not same:
        raise InputProblem(
            f"the judge's dataset_cfg selects {len(own)} rows where {len(rows)} others are scored; "
            "give it the dataset's own reader_cfg and path"
        )
    return own[: len(rows)]


def _verdicts(asked: Sequence[Row], template: Any, judge_cfg: Any, court: Court) -> list[Verdict]:
    prompts = prompts_for_judge(template, judge_cfg, asked)
    return judge_rows(open_judge(judge_cfg), prompts, court)


def _said(verdicts: Mapping[int, Verdict], judge_cfg: Any) -> tuple[dict[int, str], dict[int, str]]:
    """By number of the item, what the judge said once post-processed, and why it said nothing."""
    reduce = open_postprocessor((judge_cfg or {}).get("pred_postprocessor"), "judge_cfg.pred_postprocessor")
    said = {item: str(reduce(one.said)) for item, one in verdicts.items() if not isinstance(one.said, Unanswered)}
    return said, {item: one.said.reason for item, one in verdicts.items() if isinstance(one.said, Unanswered)}


def _detail(verdict: Verdict, said: str | None, reference: Any) -> dict[str, Any]:
    """A prediction entry of the judge's, as OpenCompass has it in details."""
    if isinstance(verdict.said, Unanswered):
        return {"origin_prompt": verdict.asked, "unjudged": verdict.said.reason}
    return {"origin_prompt": verdict.asked, "prediction": said, **({"gold": reference} if reference else {})}


def _coverage(known: int, total: int) -> tuple[Metric, ...]:
    return () if known == total else (Metric("coverage", 100 * known / total),)


def _check_cascade(options: dict[str, Any]) -> None:
    if options.get("sample_score_fn") is not None:
        raise NotNative("a sample_score_fn of its own")
    _open_rule(options.get("rule_evaluator"))
    type_, given = build_kwargs(options.get("llm_evaluator"), "llm_evaluator")
    if str(type_).rsplit(".", 1)[-1] != "GenericLLMEvaluator":
        raise NotNative(f"an llm_evaluator of type {type_}")
    _check_generic(given)


def _open_rule(config: Any) -> Opened:
    if config is None:
        raise InputProblem("a CascadeEvaluator needs a rule_evaluator")
    return open_evaluator(config, "rule_evaluator")


@EVALUATORS.add("CascadeEvaluator")
@requires(_check_cascade)
def cascade(
    predictions: list[Any],
    references: list[Any],
    *,
    rows: list[Row],
    court: Court,
    run: int = 0,
    llm_evaluator: dict[str, Any],
    rule_evaluator: dict[str, Any] | None = None,
    sample_score_fn: None = None,
    parallel: bool = True,
) -> Scored:
    """Right by a rule or by a judge.

    The judge is shown the prediction as it is, without the llm_evaluator's own post-processor, and knows no
    ``obj_gold``: both as in OpenCompass.

    :param parallel: whether the judge sees every item, or only those that the rule finds wrong.
    """
    rule = _open_rule(rule_evaluator)
    by_rule = [_by_rule(rule, *item) for item in zip(predictions, references, rows, strict=True)]
    doubtful = [item for item, found in enumerate(by_rule) if parallel or not found.get("correct")]
    asked = [{**rows[item], "prediction": predictions[item], "reference": references[item]} for item in doubtful]
    judge_cfg = llm_evaluator.get("judge_cfg")
    verdicts = dict(zip(doubtful, _verdicts(asked, llm_evaluator["prompt_template"], judge_cfg, court)
                        if doubtful else [], strict=True))  # fmt: skip
    said, missing = _said(verdicts, judge_cfg)
    details = []
    for item, found in enumerate(by_rule):
        detail: dict[str, Any] = {"rule_evaluation": {**found, "evaluation_method": "rule"}}
        if item in verdicts:
            told = _detail(verdicts[item], said.get(item), references[item])
            right = _is_right(said[item]) if item in said else False
            detail["llm_evaluation"] = {**told, "dataset_replica_idx": run, "llm_correct": right}
        details.append(detail)
    unjudged = {item: reason for item, reason in missing.items() if not by_rule[item].get("correct")}
    correct = [None if item in unjudged else _cascaded(detail) for item, detail in enumerate(details)]
    known = [one for one in correct if one is not None]
    if doubtful:
        details = [{**detail, "cascade_correct": _cascaded(detail)} for detail in details]
    accuracy = (Metric("accuracy", 100 * sum(known) / len(known)),) if known else ()
    return Scored(
        (*accuracy, *_coverage(len(known), len(correct))),
        [None if one is None else 100.0 * one for one in correct],
        correct,
        details,
        {"cascade_stats": _stats(details, said, known, parallel)},
        unjudged,
        len(unjudged),
        {"_llm_judge": entries(dict(enumerate(verdicts.values())), [references[item] for item in doubtful])},
    )


def _by_rule(rule: Opened, prediction: Any, reference: Any, row: Row) -> dict[str, Any]:
    """What the rule says of one item by itself."""
    answer = rule.reduce(prediction)
    scored = rule.evaluate(
        [answer], [reference], {"rows": [row], "prompts": [None], "court": None, "sandbox": None, "run": 0}
    )
    if scored.details:
        return dict(scored.details[0])
    right = any(metric.name == "accuracy" and metric.value > 0 for metric in scored.metrics)
    return {"correct": right, "pred": answer, "answer": reference}


def _is_right(said: str) -> bool:
    word = said.strip().upper()
    return word == "A" or word.startswith("CORRECT")


def _cascaded(detail: dict[str, Any]) -> bool:
    return bool(detail["rule_evaluation"].get("correct") or detail.get("llm_evaluation", {}).get("llm_correct"))


def _stats(details: list[dict[str, Any]], said: Mapping[int, str], known: list[bool], parallel: bool) -> dict[str, Any]:
    by_rule = sum(bool(detail["rule_evaluation"].get("correct")) for detail in details)
    by_judge = sum(map(_is_right, said.values()))
    return {
        "total_samples": len(details),
        "rule_correct": by_rule,
        "rule_accuracy": 100 * by_rule / len(details),
        "llm_evaluated": len(said),
        "llm_correct": by_judge,
        "llm_accuracy": 100 * by_judge / len(said) if said else 0.0,
        "final_correct": sum(known),
        "final_accuracy": 100 * sum(known) / len(known) if known else 0.0,
        "parallel_mode": parallel,
    }
