"""What stands beside a stored result: which way its metric gets better, and how healthy its evaluation was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.records import Manifest
from opencompass_ops.results.metrics import lower_is_better
from opencompass_ops.results.rows import ScoreRow


def loses_by_rising(row: ScoreRow) -> bool:
    """Whether the metric is a loss: its scorer says so, else its name does."""
    known = details(row).get("metrics")
    for metric in known if isinstance(known, list) else ():
        if isinstance(metric, Mapping) and metric.get("name") == row.metric and "higher_is_better" in metric:
            return not metric["higher_is_better"]
    return lower_is_better(row.metric)


def details(row: ScoreRow) -> Mapping[str, Any]:
    """What the result's manifest adds; empty when it is gone or was never written."""
    try:
        return Manifest.from_json(Path(layout.manifest(row.path)).read_bytes()).details
    except (OSError, codec.SchemaError):
        return {}


def answers(row: ScoreRow) -> dict[int, Mapping[str, Any]]:
    """By position the lines of the samples file, with what was predicted; empty when it is gone."""
    path = Path(row.path.removesuffix(".json") + ".samples.jsonl")
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
        return {int(line["idx"]): line for line in lines}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def prompts(row: ScoreRow) -> Mapping[str, Any]:
    """By position, as a text, what the model was asked, where the result keeps details; empty where it does not."""
    try:
        kept = json.loads(Path(row.path).read_bytes()).get("details")
        return {
            key: one["prompt"] for key, one in dict(kept or {}).items() if isinstance(one, Mapping) and "prompt" in one
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
