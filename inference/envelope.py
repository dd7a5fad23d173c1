"""What a result file holds, as OpenCompass 0.5.4 writes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inference.datasets import Rows
from inference.evaluators import Metric
from inference.parts import answer_of
from inference.runs import averaged, stability, summed
from inference.scoring import Scores

_LABEL = "label: "


def result(abbr: str, rows: Rows, entries: list[dict[str, Any]], scores: Scores) -> dict[str, Any]:
    """The whole file: metrics, what is no number, who got no score, and details.

    :param entries: OpenCompass's prediction entries in row order, run after run.
    """
    items = _items(scores)
    unjudged = {
        f"{_example(abbr, rows, index)} (run {run})" if len(scores.runs) > 1 else _example(abbr, rows, index): reason
        for run, scored in enumerate(scores.runs)
        for index, reason in scored.unjudged.items()
    }
    return {
        **_extra(scores, as_lists=bool(items)),
        **{metric.name: metric.value for metric in metrics(abbr, scores)},
        **({"unjudged": unjudged} if unjudged else {}),
        "details": _listed(abbr, rows, items, stability(scores.wanted, items))
        if items
        else _formatted(entries, scores),
    }


def metrics(abbr: str, scores: Scores) -> tuple[Metric, ...]:
    """Every metric of the result file."""
    steady = summed(abbr, stability(scores.wanted, _items(scores)))
    return (*averaged(scores.runs), *(Metric(name, value) for name, value in steady.items()))


def _items(scores: Scores) -> list[list[dict[str, Any]]]:
    """Of each item, what the evaluator says of it in each run; empty when it says nothing."""
    told = [run.details for run in scores.runs if run.details is not None]
    return [list(item) for item in zip(*told, strict=True)] if len(told) == len(scores.runs) else []


def _extra(scores: Scores, as_lists: bool) -> dict[str, Any]:
    """What is no number: a list over runs beside details, else as the evaluator says it."""
    names = dict.fromkeys(name for run in scores.runs for name in run.extra)
    found = {name: [run.extra[name] for run in scores.runs if name in run.extra] for name in names}
    return {name: values if as_lists or len(scores.runs) > 1 else values[0] for name, values in found.items()}


def _example(abbr: str, rows: Rows, index: int) -> str:
    prefix = f"{abbr}_{rows.split}" if rows.split else abbr
    return f"{prefix}_{rows.selected[index]}"


def _listed(
    abbr: str, rows: Rows, items: Sequence[Sequence[dict[str, Any]]], steady: Sequence[dict[str, float]]
) -> list[dict[str, Any]]:
    """What the evaluator says of each item, every field a list with one value per run that has it."""
    listed = []
    for index, item in enumerate(items):
        fields = dict.fromkeys(field for detail in item for field in detail)
        listed.append(
            {
                "example_abbr": _example(abbr, rows, index),
                **(steady[index] if steady else {}),
                **{field: [detail[field] for detail in item if field in detail] for field in fields},
            }
        )
    return listed


def _formatted(entries: list[dict[str, Any]], scores: Scores) -> dict[str, Any]:
    """A dict by number, where the evaluator says nothing of items; ours also says ``correct`` for generations."""
    ranked = any(key.startswith(_LABEL) for key in entries[0])
    correct = scores.correct
    formatted: dict[str, Any] = {"type": "PPL" if ranked else "GEN"}
    for index, entry in enumerate(entries):
        formatted[str(index)] = {
            **(_ranked(entry) if ranked else _generated(entry)),
            "predictions": str(scores.answers[index]),
            "references": str(scores.references[index]),
            **({} if correct[index] is None else {"correct": correct[index]}),
        }
    return formatted


def _generated(entry: dict[str, Any]) -> dict[str, Any]:
    return {"prompt": entry.get("origin_prompt"), "origin_prediction": answer_of(entry)}


def _ranked(entry: dict[str, Any]) -> dict[str, Any]:
    """The label scores; labels lose their prefix and the prompt without examples."""
    origin = {}
    for key, value in entry.items():
        if key.startswith(_LABEL):
            origin[key[len(_LABEL) :]] = {name: part for name, part in value.items() if name != "testing input"}
        elif key not in ("in-context examples", "prediction"):
            origin[key] = value
    return {"origin_prediction": origin}
