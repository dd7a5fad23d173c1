"""Record what OpenCompass's post-processors and evaluators make of ``tests/family_answers.py``.

Run it in OpenCompass's own virtualenv; it needs nothing of this project beyond these tests, and no network::

    VENV/bin/python tests/recorders/family_scores.py > tests/golden/families/scores.json

``postprocessed``: for each post-processor its answer to each text. ``scored``: for each evaluator its metrics and, in
one string of 0 and 1, the items that are right; those that give no details are asked item by item.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from family_answers import EVALUATORS, POSTPROCESSORS, answers, material

MODULES = ("bbh", "gpqa", "mmlu_pro", "agieval", "record", "cmrc", "drcd", "crowspairs", "bbeh")
"""Of ``opencompass.datasets``, which does not export everything."""
PACKAGES = ("opencompass.utils.text_postprocessors", "opencompass.openicl.icl_evaluator", "opencompass.datasets")


def main() -> int:
    """Print the record; returns the exit code."""
    os.environ["HF_EVALUATE_OFFLINE"] = "1"
    with redirect_stdout(sys.stderr):
        recorded = {
            "postprocessed": [[config, postprocessed(config)] for config in POSTPROCESSORS],
            "scored": {name: scored(name) for name in EVALUATORS},
        }
    print(json.dumps(recorded, ensure_ascii=False, separators=(",", ":")))
    return 0


def postprocessed(config: dict[str, Any]) -> list[Any]:
    options = {key: value for key, value in config.items() if key != "type"}
    function = find(config["type"])
    return [function(text, **options) for text, _ in answers()]


def scored(name: str) -> dict[str, Any]:
    given = arguments(name)
    result = find(name)().score(**given)
    details = result.pop("details", None)
    if name == "CrowspairsEvaluator":
        right = [said == wanted for said, wanted in zip(given["predictions"], given["references"], strict=True)]
    elif details is None:
        right = [one_by_one(name, given, number) for number in range(len(given["predictions"]))]
    else:
        listed = list(details.values()) if isinstance(details, dict) else details
        right = [bool(detail.get("correct", detail.get("is_correct"))) for detail in listed]
    metrics = {metric: float(value) for metric, value in result.items()}
    return {"metrics": metrics, "right": "".join("01"[is_right] for is_right in right)}


def arguments(name: str) -> dict[str, Any]:
    given = material(name)
    if "prompts" in given:
        given["origin_prompt"] = given.pop("prompts")
    if "is_clean" in given:
        given["test_set"] = {"is_clean": given.pop("is_clean")}
    return given


def one_by_one(name: str, given: dict[str, Any], number: int) -> bool:
    name = "AccEvaluator" if name == "AccContaminationEvaluator" else name
    result = find(name)().score([given["predictions"][number]], [given["references"][number]])
    return result["accuracy"] == 100


def find(name: str) -> Any:
    for package in PACKAGES:
        module = importlib.import_module(package)
        if hasattr(module, name):
            return getattr(module, name)
    for found in pkgutil.walk_packages(module.__path__, f"{package}."):
        if found.name.rsplit(".", 1)[-1] in MODULES:
            inside = importlib.import_module(found.name)
            if hasattr(inside, name):
                return getattr(inside, name)
    raise SystemExit(f"OpenCompass has no {name}")


if __name__ == "__main__":
    sys.exit(main())
