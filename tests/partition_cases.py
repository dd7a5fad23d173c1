"""Random runs to split: models, datasets of every kind of template, ranges, and parts that are answered already.

Standard library only, because OpenCompass's virtualenv makes the same cases from the same seed.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any

SEED, COUNT = 20261121, 240

NAMES = ("gsm8k", "bbh-date", "math", "mmlu_professional_law", "agieval-math", "siqa", "winograd", "boolq", "race-high")
RANGES = ("", "", "", "[:100]", "[10:]", "[::3]", "[5:200:2]", "[-40:]", "[:100][20:]")
GENERATED = {"round": [{"role": "HUMAN", "prompt": "{q}"}]}
RAW = "raw"


def cases() -> Iterator[dict[str, Any]]:
    """``partitioner`` (type and arguments), ``models``, ``datasets``, ``combinations`` and ``done``, plain values.

    A dataset is ``abbr``, ``template`` (``raw``, a text or a dict), ``holder`` (the template that carries it), ``rows``
    and ``range``. ``done`` names prediction files by model.
    """
    rng = random.Random(SEED)
    for _ in range(COUNT):
        datasets = [_dataset(rng, number) for number in range(rng.randint(1, 9))]
        models = [f"m{number}" for number in range(rng.randint(1, 3))]
        yield {
            "partitioner": _partitioner(rng),
            "models": models,
            "datasets": datasets,
            "combinations": _combinations(rng, models, [dataset["abbr"] for dataset in datasets]),
            "done": {model: _done(rng, datasets) for model in models},
        }


def summed_up(shards: list[Any]) -> list[Any]:
    """What is recorded of a case: how many shards and parts, and a digest of their names, ranges and order.

    :param shards: each ``[model, [name, range], ...]``.
    """
    text = json.dumps(shards, separators=(",", ":"))
    return [len(shards), sum(len(shard) - 1 for shard in shards), hashlib.sha256(text.encode()).hexdigest()[:24]]


def _dataset(rng: random.Random, number: int) -> dict[str, Any]:
    labels = {f"label{label}": "{q}" for label in range(rng.randint(1, 6))}
    mixed = {"begin": "", "A": "a", "B": "b"}
    return {
        "abbr": f"{rng.choice(NAMES)}-{number}" if rng.random() < 0.7 else rng.choice(NAMES) + "x" * number,
        "template": rng.choice(["{q}", GENERATED, {"begin": "", **GENERATED, "end": ""}, labels, labels, mixed, RAW]),
        "holder": rng.choice(["prompt_template", "prompt_template", "ice_template"]),
        "rows": rng.choice([1, 15, 16, 17, rng.randint(1, 300), rng.randint(1, 15_000)]) + 250,
        "range": rng.choice(RANGES),
    }


def _partitioner(rng: random.Random) -> dict[str, Any]:
    kind = rng.choice(["NaivePartitioner", "SizePartitioner", "NumWorkerPartitioner"])
    strategy = {"strategy": rng.choice(["heuristic", "split"])}
    if kind == "NaivePartitioner":
        return {"type": kind, "n": rng.randint(1, 4)}
    if kind == "SizePartitioner":
        return {"type": kind, "max_task_size": rng.choice([250, 2000, 40_000, rng.randint(250, 90_000)]),
                "gen_task_coef": rng.choice([20, 20, 5, 1]), **strategy}  # fmt: skip
    return {"type": kind, "num_worker": rng.randint(1, 12), "num_split": rng.choice([None, None, 0, 1, 3, 20]),
            "min_task_size": rng.choice([16, 1, 100]), **strategy}  # fmt: skip


def _combinations(rng: random.Random, models: list[str], datasets: list[str]) -> list[dict[str, list[str]]]:
    if rng.random() < 0.6:
        return []
    cut = rng.randint(0, len(datasets))
    halves = [half for half in (datasets[:cut], datasets[cut:]) if half]
    return [{"models": rng.sample(models, rng.randint(1, len(models))), "datasets": half} for half in halves]


def _done(rng: random.Random, datasets: list[dict[str, Any]]) -> list[str]:
    if rng.random() < 0.6:
        return []
    names = [name for each in datasets for name in (each["abbr"], *(f"{each['abbr']}_{part}" for part in range(4)))]
    return [name for name in names if rng.random() < 0.25]
