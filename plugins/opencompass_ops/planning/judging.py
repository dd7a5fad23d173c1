"""Who judges which answers: what an ``eval`` section with OpenCompass's SubjectiveEvalTask says, put into the datasets.

An evaluation stays one job per model x dataset: it asks every judge about the model, alone or beside each model that it
is compared with (``opencompass/partitioners/sub_naive.py``, 0.5.4). Judges are part of the dataset's ``eval_cfg`` from
here on, so that fingerprints, probes and the refusal of open keys see them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from opencompass_ops.contract.judgements import judged_name
from opencompass_ops.errors import ConfigError

JUDGING = "judging"
"""Key of ``eval_cfg``: judges, mode, order, and what a comparison is made with."""
JUDGED_MODELS = "judged_models"
"""Key of ``eval_cfg``: abbrs of the models that are judged, in order; not part of any one score's identity."""

PARTITIONERS = ("SubjectiveNaivePartitioner", "SubjectiveSizePartitioner", "SubjectiveNumWorkerPartitioner")
TASK = "SubjectiveEvalTask"
_EVALUATOR = "LMEvaluator"
_ALONE, _EVERY_PAIR, _WITH_BASES = "singlescore", "allpair", "m2n"
_ORDERS = (None, "random", "double")

Config = dict[str, Any]


def with_section_judges(
    section: Mapping[str, Any] | None, models: Sequence[Config], datasets: Sequence[Config]
) -> list[Config]:
    """The datasets; those with an ``LMEvaluator`` are told by whom, as the section says.

    :param section: the config's ``eval``.
    :param models: those of the run.
    :raises ConfigError: a section with judges names none, or models that the run has not, or a mode that is none.
    """
    if not names_judges(section):
        return list(datasets)
    partitioner = _table(section, "partitioner")
    judges = partitioner.get("judge_models") or []
    if not judges:
        raise ConfigError(
            "eval.partitioner has no judge_models; name the models that judge, e.g. judge_models=[dict(...)]"
        )
    whom = {"judges": judges, "meta_judge": partitioner.get("meta_judge_model")}
    if not all(
        isinstance(judge, dict) and judge.get("abbr") for judge in [*judges, whom["meta_judge"] or {"abbr": "-"}]
    ):
        raise ConfigError(
            "a judge of eval.partitioner has no abbr; what it says lies in a folder of that name, so add one"
        )
    known = [str(model["abbr"]) for model in models]
    judged = [str(model.get("abbr")) for model in partitioner.get("models") or []] or known
    unknown = [name for name in judged if name not in known]
    if unknown:
        raise ConfigError(
            f"eval.partitioner.models names {', '.join(unknown)}, not among the models; add them there too"
        )
    return [_judged(dataset, whom, judged) if _is_judged(dataset) else dataset for dataset in datasets]


def names_judges(section: Mapping[str, Any] | None) -> bool:
    """Whether a config's ``eval`` section is one of judges."""
    task = _name(_table(_table(section, "runner"), "task").get("type"))
    return _name(_table(section, "partitioner").get("type")) in PARTITIONERS or task == TASK


def comparisons(dataset: Mapping[str, Any], model: str) -> list[list[str]] | None:
    """The groups of models that judges see together in the evaluation of a model, each in OpenCompass's order.

    Each group belongs to one model, its last: of a comparison of all pairs the first model has none, and a model that
    others are compared with has none of its own.

    :returns: abbrs; None where nobody of an ``eval`` section judges.
    """
    eval_cfg = dataset.get("eval_cfg") or {}
    if JUDGING not in eval_cfg:
        return None
    judging, models = eval_cfg[JUDGING], eval_cfg[JUDGED_MODELS]
    if model not in models:
        return []
    if judging["mode"] == _ALONE:
        return [[model]]
    firsts = models if judging["mode"] == _EVERY_PAIR else [base["abbr"] for base in judging["base_models"]]
    seconds = models if judging["mode"] == _WITH_BASES else [model]
    pairs = [(one, other) for one, other in product(firsts, seconds) if one != other]
    if judging["mode"] == _EVERY_PAIR:
        return [[one, other] for one, other in pairs if models.index(one) < models.index(other)]
    unordered: dict[frozenset[str], tuple[str, str]] = {}
    for pair in pairs:
        unordered.setdefault(frozenset(pair), pair)  # of two models that are both bases, the first meeting counts
    return [list(pair) for pair in unordered.values() if pair[1] == model]


def judged_names(dataset: Mapping[str, Any], model: str) -> list[str]:
    """OpenCompass's names of what judges say in the evaluation of a model, as its results' folders bear them."""
    judging = (dataset.get("eval_cfg") or {}).get(JUDGING) or {}
    last = filter(None, [judging.get("meta_judge")])
    asked = [*((judge, False) for judge in judging.get("judges", ())), *((judge, True) for judge in last)]
    return [
        judged_name(group, judge["abbr"], is_last=is_last)
        for group in comparisons(dataset, model) or []
        for judge, is_last in asked
    ]


def others(dataset: Mapping[str, Any], model: str) -> list[str]:
    """Abbrs of the models that the evaluation of a model needs answers of, besides its own."""
    groups = comparisons(dataset, model) or []
    return list(dict.fromkeys(name for group in groups for name in group if name != model))


def against(dataset: Mapping[str, Any], model: str, fingerprints: Mapping[tuple[str, str], str]) -> tuple[str, ...]:
    """Fingerprints of the run's pairs that a model's answers are compared with.

    :param fingerprints: of all pairs, by model and dataset.
    """
    names = ((name, str(dataset["abbr"])) for name in others(dataset, model))
    return tuple(fingerprints[pair] for pair in names if pair in fingerprints)


def judges_of(dataset: Mapping[str, Any]) -> list[Config]:
    """Configs of all models that judge the dataset."""
    judging = (dataset.get("eval_cfg") or {}).get(JUDGING) or {}
    return [*judging.get("judges", ()), *filter(None, [judging.get("meta_judge")])]


def _is_judged(dataset: Config) -> bool:
    return _name(_table(dataset.get("eval_cfg"), "evaluator").get("type")) == _EVALUATOR


def _judged(dataset: Config, whom: Mapping[str, Any], models: list[str]) -> Config:
    abbr, mode, order = dataset["abbr"], dataset.get("mode"), dataset.get("infer_order")
    bases = dataset.get("base_models") or []
    if mode not in (_ALONE, _EVERY_PAIR, _WITH_BASES):
        raise ConfigError(
            f"dataset {abbr} is judged with mode={mode!r}; write {_ALONE!r}, {_EVERY_PAIR!r} or {_WITH_BASES!r}"
        )
    if order not in _ORDERS:
        raise ConfigError(
            f"dataset {abbr} is judged with infer_order={order!r}; write 'random' or 'double', or leave it out"
        )
    if mode == _WITH_BASES and not bases:
        raise ConfigError(
            f"dataset {abbr} is judged with mode={mode!r}, and has no base_models to compare with; add them"
        )
    given = [str(entry["abbr"]) for entry in dataset.get("given_pred") or []]
    unanswered = [base["abbr"] for base in bases if mode == _WITH_BASES and base["abbr"] not in [*models, *given]]
    if unanswered:
        raise ConfigError(
            f"dataset {abbr} compares with {', '.join(unanswered)}, which nobody answers for: add it to models and "
            "eval.partitioner.models, or its answers to given_pred"
        )
    judging = {
        **whom,
        "mode": mode,
        "infer_order": order,
        "base_models": bases,
        "given_pred": dataset.get("given_pred"),
    }
    return {**dataset, "eval_cfg": {**dataset["eval_cfg"], JUDGING: judging, JUDGED_MODELS: models}}


def _table(values: Mapping[str, Any] | None, key: str) -> Mapping[str, Any]:
    found = (values or {}).get(key)
    return found if isinstance(found, Mapping) else {}


def _name(kind: Any) -> str:
    return str(kind or "").rpartition(".")[2]
