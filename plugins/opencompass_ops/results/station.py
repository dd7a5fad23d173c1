"""OpenCompass's results station: one file per dataset and model with predictions, score and configs, for other tools.

The format is that of OpenCompass 0.5.4 (``opencompass/utils/result_station.py``). It is written, never read: its
files are known by names alone, and what was answered is found by content in the results database.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan, PlannedPair
from opencompass_ops.contract.records import Manifest


def save_to_station(files: LocalFiles, plan: Plan, station: Path, *, overwrite: bool) -> list[str]:
    """Write ``STATION/DATASET/MODEL.json`` of every pair that this run has a score of.

    :param overwrite: replace files that exist, else they stay.
    :returns: names of the files written, relative to the station.
    """
    target, written = LocalFiles(station), []
    configs = configs_of(files, plan)
    for pair in plan.pairs:
        name = f"{layout.safe_abbr(pair.dataset)}/{layout.safe_abbr(pair.model)}.json"
        if not _is_scored(files, pair) or (target.exists(name) and not overwrite):
            continue
        entry = {
            "predictions": _predictions(files, pair),
            "results": json.loads(files.read(layout.result(pair.model, pair.dataset))),
            "cfg": {"models": configs["models"][pair.model], "datasets": configs["datasets"][pair.dataset]},
        }
        target.write(name, json.dumps(entry, ensure_ascii=False, indent=4))
        written.append(name)
    return written


def _is_scored(files: LocalFiles, pair: PlannedPair) -> bool:
    """Whether the score that lies there is the one that was planned."""
    try:
        manifest = Manifest.from_json(files.read(layout.manifest(layout.result(pair.model, pair.dataset))))
    except (FileNotFoundError, codec.SchemaError):
        return False
    return manifest.fingerprint == pair.fingerprint


def _predictions(files: LocalFiles, pair: PlannedPair) -> list[Any]:
    parts = (json.loads(files.read(layout.prediction(pair.model, part))) for part in pair.parts)
    return [entry for part in parts for entry in part.values()]


def configs_of(files: LocalFiles, plan: Plan) -> dict[str, dict[str, Any]]:
    """Model and dataset configs of the launch by name, secrets masked: of its dump, which holds plain values only."""
    dumps = [name for name in files.list("configs") if name.startswith(plan.stamp)]
    tree = ast.parse(files.read(f"configs/{dumps[-1]}"))
    values = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    return {key: {entry["abbr"]: entry for entry in values[key]} for key in ("models", "datasets")}
