"""The ``details`` of a result file, as OpenCompass 0.5.3 writes them."""

from __future__ import annotations

from typing import Any

from inference.datasets import Rows
from inference.scoring import Scores

_LABEL = "label: "


def details(abbr: str, rows: Rows, entries: list[dict[str, Any]], scores: Scores) -> list[Any] | dict[str, Any]:
    """What happened to each item.

    A list when the evaluator says something of each, every field a list with one value per run;
    else a dict by number, which OpenCompass formats itself. Ours also says ``correct`` for generations.

    :param entries: OpenCompass's prediction entries in row order.
    """
    if scores.scored.details is not None:
        prefix = f"{abbr}_{rows.split}" if rows.split else abbr
        return [
            {"example_abbr": f"{prefix}_{rows.selected[index]}", **{key: [value] for key, value in detail.items()}}
            for index, detail in enumerate(scores.scored.details)
        ]
    correct = scores.scored.correct
    ranked = any(key.startswith(_LABEL) for key in entries[0])
    formatted: dict[str, Any] = {"type": "PPL" if ranked else "GEN"}
    for index, entry in enumerate(entries):
        formatted[str(index)] = {
            **(_ranked(entry) if ranked else _generated(entry)),
            "predictions": str(scores.answers[index]),
            "references": str(scores.references[index]),
            **({} if correct is None else {"correct": correct[index]}),
        }
    return formatted


def _generated(entry: dict[str, Any]) -> dict[str, Any]:
    return {"prompt": entry.get("origin_prompt"), "origin_prediction": entry["prediction"]}


def _ranked(entry: dict[str, Any]) -> dict[str, Any]:
    """The label scores; labels lose their prefix and the prompt without examples."""
    origin = {}
    for key, value in entry.items():
        if key.startswith(_LABEL):
            origin[key[len(_LABEL) :]] = {name: part for name, part in value.items() if name != "testing input"}
        elif key not in ("in-context examples", "prediction"):
            origin[key] = value
    return {"origin_prediction": origin}
