"""Did training show? The untrained checkpoint guesses, the last one knows."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from demo.tasks import LABELS, MODULUS
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan

CHANCE = {"arithmetic": 1 / MODULUS, "facts": 1 / len(LABELS)}
KNOWN = 0.9
STANDARD_ERRORS = 3

Scores = dict[tuple[str, str], float]
"""(model, dataset) -> accuracy as a share."""


@dataclass(frozen=True)
class Learned:
    """One dataset's verdict, and why."""

    ok: bool
    text: str


def read_scores(files: LocalFiles, plan: Plan) -> Scores:
    """The accuracies that the run's result files hold."""
    return {
        (pair.model, pair.dataset): json.loads(files.read(layout.result(pair.model, pair.dataset)))["accuracy"] / 100
        for pair in plan.pairs
    }


def verdict(plan: Plan, scores: Scores) -> list[Learned]:
    """One verdict per dataset, from the first and the last step of the plan."""
    first, *_, last = sorted(plan.models, key=lambda model: model.step or 0)
    found = []
    for dataset in plan.datasets:
        chance = CHANCE[dataset.abbr]
        error = math.sqrt(chance * (1 - chance) / dataset.rows)
        before, after = scores[first.abbr, dataset.abbr], scores[last.abbr, dataset.abbr]
        guessed = abs(before - chance) <= STANDARD_ERRORS * error
        found.append(
            Learned(
                guessed and after > KNOWN,
                f"{dataset.abbr}: {before:.3f} untrained (chance {chance:.3f} ± {STANDARD_ERRORS * error:.3f}), "
                f"{after:.3f} at the end (above {KNOWN} expected)",
            )
        )
    return found
