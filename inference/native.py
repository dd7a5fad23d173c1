"""What of a config has a native counterpart, told without data or weights; the bridge runs what has none.

Each function returns why only OpenCompass can do it, "" when we can. What is wrong whoever does it is no gap: that
raises InputProblem.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from inference.build import check_templates, inference_mode, model_family
from inference.datasets import open_loader
from inference.problems import NotNative
from inference.registry import section
from inference.retrievers import check_retriever
from inference.scoring import check_model_scoring, check_scoring

_ONLY_OPENCOMPASS = ("peft_path", "fastchat_template", "use_fastchat_template")
"""Settings of native model types that the native engine does not have."""


_OTHER_TASKS = {
    "LMEvaluator": "judges that only the config's eval section names (SubjectiveEvalTask)",
    "AttackInferencer": "prompts that are attacked (OpenICLAttackTask)",
}
"""Types that need another of OpenCompass's tasks than those that the bridge starts."""


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
    """Why neither engine can score the dataset, "" when one can."""
    types = [
        section(section(dataset_cfg, "eval_cfg"), "evaluator").get("type"),
        section(section(dataset_cfg, "infer_cfg"), "inferencer").get("type"),
    ]
    names = [str(type_).rpartition(".")[2] for type_ in types]
    return next((_OTHER_TASKS[name] for name in names if name in _OTHER_TASKS), "")


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
