"""Record how OpenCompass's own partitioners split the runs of ``tests/partition_cases.py``.

Run it in OpenCompass's own virtualenv; it needs nothing of this project beyond these tests, and no network::

    VENV/bin/python tests/recorders/partitions.py > tests/golden/planning/random_partitions.jsonl
    VENV/bin/python tests/recorders/partitions.py 17    # case 17 (from 0) in full

One line per case, as ``partition_cases.summed_up`` says. SizePartitioner cannot read a template of raw messages; it is
given one of generation in its place, which is what such a template is.
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from mmengine.config import ConfigDict
from opencompass.partitioners import NaivePartitioner, NumWorkerPartitioner, SizePartitioner

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from partition_cases import GENERATED, RAW, cases, summed_up

CLASSES = {each.__name__: each for each in (NaivePartitioner, SizePartitioner, NumWorkerPartitioner)}


def dataset_config(dataset: dict[str, Any]) -> dict[str, Any]:
    template = GENERATED if dataset["template"] == RAW else dataset["template"]
    reader = {"test_range": dataset["range"]} if dataset["range"] else {}
    return {
        "abbr": dataset["abbr"],
        "path": "p",
        "reader_cfg": reader,
        "infer_cfg": {dataset["holder"]: {"template": template}},
    }


def shards(case: dict[str, Any], folder: Path) -> list[Any]:
    """What OpenCompass makes of the case, with the predictions that are done lying in the folder."""
    for model, names in case["done"].items():
        (folder / model).mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / model / f"{name}.json").touch()
    arguments = {key: value for key, value in case["partitioner"].items() if key != "type"}
    if case["partitioner"]["type"] != "NaivePartitioner":
        sizes = folder / "sizes.json"
        sizes.write_text(json.dumps({dataset["abbr"]: dataset["rows"] for dataset in case["datasets"]}))
        arguments["dataset_size_path"] = str(sizes)
    models = {model: {"abbr": model, "path": "p", "type": "t"} for model in case["models"]}
    datasets = {dataset["abbr"]: dataset_config(dataset) for dataset in case["datasets"]}
    config = {"models": list(models.values()), "datasets": list(datasets.values()), "work_dir": str(folder)}
    if case["combinations"]:
        config["model_dataset_combinations"] = [
            {
                "models": [models[name] for name in each["models"]],
                "datasets": [datasets[name] for name in each["datasets"]],
            }
            for each in case["combinations"]
        ]
    tasks = CLASSES[case["partitioner"]["type"]](out_dir=str(folder), **arguments)(ConfigDict(config))
    return [
        [task["models"][0]["abbr"], *([d["abbr"], d["reader_cfg"].get("test_range", "")] for d in task["datasets"][0])]
        for task in tasks
    ]


def main(wanted: list[str]) -> int:
    """Print the record, or the wanted cases in full; returns the exit code."""
    logging.disable(logging.WARNING)  # OpenCompass logs to the standard output
    for number, case in enumerate(cases()):
        if wanted and str(number) not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
            found = shards(case, Path(folder))
        print(json.dumps(found if wanted else summed_up(found), separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
