"""Which models are checkpoints of one training run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from opencompass_ops.contract.plan import Plan


def series_of(plan: Plan) -> dict[str, str]:
    """By model, the series of a planned run: the one that its request names, else as the models' names tell."""
    if said := plan.params.get("series"):
        return {model.abbr: str(said) for model in plan.models}
    return series_names({model.abbr: (model.path, model.step) for model in plan.models})


def series_names(models: Mapping[str, tuple[str, int | None]]) -> dict[str, str]:
    """Which curve each model belongs to: its path without the step, shown as briefly as stays distinct.

    :param models: abbr -> path and training step.
    """
    keys = {abbr: _series_key(abbr, path, step) for abbr, (path, step) in models.items()}
    names: dict[str, str] = {}
    for abbr, (_, step) in models.items():
        names.setdefault(keys[abbr], _without_step(abbr, step) or PurePosixPath(keys[abbr]).name or abbr)
    shown = list(names.values())
    return {abbr: names[key] if shown.count(names[key]) == 1 else key for abbr, key in keys.items()}


def _series_key(abbr: str, path: str, step: int | None) -> str:
    prefix = _without_step(path, step)
    # The step may stand in the abbr only; then the path says nothing about the series.
    return (_without_step(abbr, step) or prefix) if prefix == path else prefix


def _without_step(name: str, step: int | None) -> str:
    if step is None:
        return name
    words = "global_?step|step|checkpoint|ckpt|iteration|iter"
    pattern = rf"[-_./ ]*(?:(?<![a-z])(?:{words})[-_]?|(?<![a-z0-9.]))0*{step}(?![0-9a-z]|\.\d)"
    found = list(re.finditer(pattern, name, re.IGNORECASE))
    return name[: found[-1].start()] + name[found[-1].end() :] if found else name
