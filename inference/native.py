"""What of a config has a native counterpart, told without data or weights; the bridge runs what has none.

Each function returns why only OpenCompass can do it, "" when we can. What is wrong whoever does it is no gap: that
raises InputProblem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from inference.build import check_templates, inference_mode, model_family
from inference.datasets import open_loader
from inference.evaluators import EVALUATORS, runs_models_code
from inference.problems import NotNative
from inference.registry import section
from inference.retrievers import check_retriever
from inference.scoring import check_model_scoring, check_scoring

_ONLY_OPENCOMPASS = ("peft_path", "fastchat_template", "use_fastchat_template")
"""Settings of native model types that the native engine does not have."""


_ATTACKED = "it attacks its prompts (OpenICLAttackTask), which needs promptbench and leaves a log, no score; not built"
_UNJUDGED = (
    "it is judged by models that only an eval section names, and the config has none: add eval=dict(partitioner="
    "dict(type=SubjectiveNaivePartitioner, judge_models=[...]), runner=dict(task=dict(type=SubjectiveEvalTask)))"
)
_JUDGING = "judging"
"""Key of ``eval_cfg`` under which a plan says who judges."""


_RUN_CODE = frozenset(
    {"HumanEvalEvaluator", "HumanEvalPlusEvaluator", "HumanevalXEvaluator", "HumanevalMultiEvaluator"}
    | {"PMMEvalHumanEvalXLEvaluator", "HumanevalProEvaluator", "MBPPProEvaluator", "MultiplEEvaluator", "CodeEvaluator"}
    | {"MBPPEvaluator", "MBPPEvaluator2", "MBPPPassKEvaluator", "LCEvaluator", "LCPassKEvaluator", "CRUXEvalOEvaluator"}
    | {"LCBCodeGenerationEvaluator", "LCBCodeExecutionEvaluator", "LCBTestOutputEvaluator", "APPSEvaluator"}
    | {"TACOEvaluator", "DS1000Evaluator", "DS1000ServiceEvaluator", "SciCodeEvaluator"}
    | {"CodeCompassEvaluator", "CIBenchEvaluator", "BigCodeBenchEvaluator"}
)
"""Evaluators of OpenCompass 0.5.4 that run programs which the model wrote, here or by a service that is sent them."""


@dataclass(frozen=True)
class Gaps:
    """Of one dataset config.

    :param loader: of loading its rows.
    :param infer: of asking a model.
    :param scoring: of scoring the answers.
    """

    loader: str
    infer: str
    scoring: str


def gaps(dataset_cfg: dict[str, Any]) -> Gaps:
    """What of a dataset is not native, whatever model it meets.

    :raises InputProblem: a section is missing or malformed.
    """
    return Gaps(
        loader=_gap(lambda: open_loader(dataset_cfg)),
        infer=_gap(lambda: _check_infer(dataset_cfg)),
        scoring=_gap(lambda: check_scoring(dataset_cfg)),
    )


def no_task(dataset_cfg: dict[str, Any]) -> str:
    """Why neither engine can run the dataset, whatever else a config says; "" when one can."""
    return _ATTACKED if _named(section(section(dataset_cfg, "infer_cfg"), "inferencer"), "AttackInferencer") else ""


def unscorable(dataset_cfg: dict[str, Any]) -> str:
    """Why neither engine can score the dataset in this config, "" when one can."""
    eval_cfg = section(dataset_cfg, "eval_cfg")
    is_unjudged = _named(section(eval_cfg, "evaluator"), "LMEvaluator") and _JUDGING not in eval_cfg
    return no_task(dataset_cfg) or (_UNJUDGED if is_unjudged else "")


def _named(table: dict[str, Any], name: str) -> bool:
    return str(table.get("type")).rpartition(".")[2] == name


def code_runner(dataset_cfg: dict[str, Any]) -> str:
    """The evaluator of the dataset that runs programs which the model wrote, "" when none does."""
    named = (str(type_).rpartition(".")[2] for type_ in _types(section(dataset_cfg, "eval_cfg")))
    return next((name for name in named if name in _RUN_CODE or _is_ours_and_runs_code(name)), "")


def _is_ours_and_runs_code(name: str) -> bool:
    return name in EVALUATORS.names() and runs_models_code(EVALUATORS.find(name))


def _types(config: Any) -> Iterator[Any]:
    """Every ``type`` within a config: evaluators can hold others."""
    if isinstance(config, dict):
        yield from [config["type"]] if "type" in config else []
        config = list(config.values())
    for inside in config if isinstance(config, list) else []:
        yield from _types(inside)


def model_gap(model_cfg: dict[str, Any]) -> str:
    """Why only OpenCompass can run the model."""
    return _gap(lambda: _check_model(model_cfg))


def model_scoring_gap(model_cfg: dict[str, Any]) -> str:
    """Why only OpenCompass can score the model's answers."""
    return _gap(lambda: check_model_scoring(model_cfg))


def _gap(check: Callable[[], Any]) -> str:
    try:
        check()
    except NotNative as gap:
        return str(gap)
    return ""


def _check_infer(dataset_cfg: dict[str, Any]) -> None:
    inference_mode(dataset_cfg)
    infer_cfg = section(dataset_cfg, "infer_cfg")
    if infer_cfg["inferencer"].get("multiround"):
        raise NotNative("the inferencer's multiround=True: every turn asked after the answer before")
    check_retriever(infer_cfg.get("retriever"))
    check_templates(infer_cfg)


def _check_model(model_cfg: dict[str, Any]) -> None:
    model_family(model_cfg)
    for key in _ONLY_OPENCOMPASS:
        if model_cfg.get(key):
            raise NotNative(f"{key}={model_cfg[key]!r} of the model")
    if (model_cfg.get("generation_kwargs") or {}).get("num_return_sequences", 1) != 1:
        raise NotNative("num_return_sequences: several answers to one question")
