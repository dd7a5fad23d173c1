"""The parts of one model x dataset as an evaluation finds them: complete, and what the plan wants."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from inference.problems import InputProblem, MissingParts
from opencompass_ops.contract import layout
from opencompass_ops.contract.evidence import part_problem
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import Manifest
from opencompass_ops.contract.spec import Part


@dataclass(frozen=True)
class Predictions:
    """:param entries: OpenCompass's prediction entries in row order.
    :param truncated: items whose prompt was cut, as the parts' manifests say.
    """

    entries: list[dict[str, Any]]
    truncated: int


def answer_of(entry: dict[str, Any]) -> Any:
    """What a prediction entry answers: its prediction, or how surprising its text is."""
    return entry["prediction"] if "prediction" in entry else entry["ppl"]


def check_tiling(parts: list[Part]) -> None:
    """Refuse parts that do not cover their dataset row by row.

    :param parts: by their first row.
    :raises InputProblem: they overlap or leave rows out.
    """
    expected = 0
    for part in parts:
        if part.start != expected or part.total != parts[0].total:
            raise InputProblem(
                f"part {part.name} covers rows {part.start}..{part.stop} of {part.total} where row {expected} of "
                f"{parts[0].total} comes next; the plan is damaged, plan again"
            )
        expected = part.stop
    if expected != parts[0].total:
        raise InputProblem(f"the parts end at row {expected} of {parts[0].total}; the plan is damaged, plan again")


def load_predictions(files: LocalFiles, model: str, parts: list[Part]) -> Predictions:
    """The answers of every part, in order.

    :raises MissingParts: a part's predictions are not there or not the planned ones; names each.
    """
    problems = [problem for part in parts if (problem := part_problem(files, model, part))]
    entries: list[dict[str, Any]] = []
    truncated = 0
    for part in () if problems else parts:
        path = layout.prediction(model, part.name)
        found = json.loads(files.read(path))
        if not isinstance(found, dict) or list(found) != [str(number) for number in range(part.count)]:
            problems.append(f"{path} does not hold the items 0..{part.count - 1} in order")
            continue
        entries += found.values()
        manifest = Manifest.from_json(files.read(layout.manifest(path)))
        truncated += int(manifest.details.get("truncated", 0))
    if problems:
        raise MissingParts(
            f"{len(problems)} of {len(parts)} parts cannot be scored: {'; '.join(problems)}. "
            "Infer them again; what is there is kept"
        )
    return Predictions(entries, truncated)
