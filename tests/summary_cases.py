"""Random runs to summarise: results of every shape, groups of every kind, chosen rows.

Standard library only, because OpenCompass's virtualenv makes the same cases from the same seed.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

SEED, COUNT = 20261122, 240
STAMP = "20260101_000000"
INFERENCERS = ("GenInferencer", "PPLInferencer", "LLInferencer", "PPLOnlyInferencer", "CLPInferencer",
               "opencompass.openicl.icl_inferencer.ParallelGenInferencer", "ChatInferencer")  # fmt: skip
METRICS = ("score", "accuracy", "f1", "exact_match", "humaneval_pass@1", "rouge1", "bleu", "pass@1", "type", "bp",
           "note", "accuracy (3 runs average)", "G-Pass@2_0.5", "mG-Pass@2", "hard/accuracy")  # fmt: skip
FLAGS = ("std", "sum", "harmonic_mean")
TRANSFORMS = ("x*100", "100-x", "min(100, max(0, (1-x)*100))", "abs(-x) / 4 + 2", "round(x, 1)")


def cases() -> Iterator[dict[str, Any]]:
    """``models`` (abbr and column), ``datasets`` (abbr, inferencer, prompt), ``results`` by model and dataset,
    ``groups`` and ``rows`` (None for all), plain values."""
    rng = random.Random(SEED)
    for number in range(COUNT):
        names = [f"d{index}" if rng.random() < 0.8 else f"long, name-{index}" for index in range(rng.randint(1, 7))]
        datasets = [{"abbr": n, "inferencer": rng.choice(INFERENCERS), "prompt": str(rng.random())} for n in names]
        models = [{"abbr": f"model-{index}", "column": f"m{index}" if rng.random() < 0.4 else f"model-{index}"}
                  for index in range(rng.randint(1, 4))]  # fmt: skip
        if number % 12 == 0:
            models = [{**model, "column": "shared"} for model in models]
        groups = _groups(rng, names)
        yield {"models": models, "datasets": datasets, "results": results(rng, models, names), "groups": groups,
               "rows": _rows(rng, [*names, *(group["name"] for group in groups)])}  # fmt: skip


def results(rng: random.Random, models: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Results by model and dataset; all models have the same metrics of a dataset, or OpenCompass gives up."""
    shapes = {name: rng.sample(METRICS, rng.randint(1, 4)) for name in names}
    if rng.random() < 0.5:
        shapes = {name: list(dict.fromkeys(["accuracy", *shape])) for name, shape in shapes.items()}
    found: dict[str, dict[str, Any]] = {model["abbr"]: {} for model in models}
    for model in models:
        for name, shape in shapes.items():
            chance = rng.random()
            if chance < 0.75:
                found[model["abbr"]][name] = {metric: _value(rng, metric) for metric in shape} | {"details": [1]}
            elif chance < 0.82:
                found[model["abbr"]][name] = {"error": "no predictions"}
    return found


def _value(rng: random.Random, metric: str) -> Any:
    if metric == "note":
        return "text"
    if metric == "type":
        return "GEN"
    return rng.choice([rng.uniform(0, 100), round(rng.uniform(0, 1), 4), rng.randint(-5, 100), 0, 100.0, 33.333333333])


def _groups(rng: random.Random, names: Sequence[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number in range(rng.randint(0, 6)):
        known = [*names, *(group["name"] for group in found), "elsewhere"]
        subsets: list[Any] = rng.sample(known, rng.randint(1, min(4, len(known))))
        group: dict[str, Any] = {"name": f"g{number}", "subsets": subsets}
        in_pairs = rng.random() < 0.35
        if in_pairs:
            group["subsets"] = subsets = [[name, rng.choice(["accuracy", "f1", "score"])] for name in subsets]
        if rng.random() < 0.4:
            group[rng.choice(FLAGS)] = rng.random() < 0.8
        if rng.random() < 0.35:
            keys = ["@".join(s) if rng.random() < 0.5 else s[0] for s in subsets] if in_pairs else list(subsets)
            at = [key for key in keys if "@" in key]
            keys = at if len(at) == len(keys) else [key.split("@")[0] for key in keys]
            group["weights"] = dict(zip(keys, [rng.choice([1, 2, 0.5]), *rng.choices([0, 1, 3.5], k=9)], strict=False))
        if rng.random() < 0.25:
            group["metric"] = rng.choice(["mine", "sum", "harmonic_mean", "standard_deviation", "accuracy"])
        if rng.random() < 0.25:
            group["transforms"] = {s if isinstance(s, str) else s[0]: rng.choice(TRANSFORMS) for s in subsets[:2]}
        found.append(group)
    return found


def _rows(rng: random.Random, known: Sequence[str]) -> list[Any] | None:
    if rng.random() < 0.4:
        return None
    rows: list[Any] = ["--- Section, one ---"]
    for name in rng.sample(known, rng.randint(1, len(known))):
        rows.append(name if rng.random() < 0.5 else [name, rng.choice(["accuracy", "f1", "naive_average", "nope"])])
    return [*rows, "nowhere"]


def summed_up(texts: Mapping[str, str]) -> list[str]:
    """What is recorded of a case: a digest of the txt, csv and md file each."""
    return [hashlib.sha256(texts[suffix].encode()).hexdigest()[:16] for suffix in ("txt", "csv", "md")]


def infer_cfg(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Of a dataset: its inferencer makes the mode, its prompt the version."""
    return {
        "inferencer": {"type": dataset["inferencer"]},
        "prompt_template": {"type": "PromptTemplate", "template": dataset["prompt"]},
        "retriever": {"type": "ZeroRetriever"},
    }


def library_case(rng: random.Random, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """A run for a summarizer config: two models, and results for at most 150 of the datasets that its groups name.

    :param values: the resolved config; None comes back when it has no groups, or is for another summarizer.
    """
    summarizer = values.get("summarizer") or {}
    of_file = [group for key, found in values.items() if key.endswith("summary_groups") for group in found]
    groups = [group for group in summarizer.get("summary_groups") or of_file if "subsets" in group]
    kind = str(summarizer.get("type") or "DefaultSummarizer")
    if not groups or not kind.endswith("DefaultSummarizer"):
        return None
    named = [s if isinstance(s, str) else s[0] for group in groups for s in group["subsets"]]
    own = {group["name"] for group in groups}
    names = [name for name in dict.fromkeys(named) if name not in own]
    names = sorted(rng.sample(names, min(len(names), 150)))
    wanted = {s[0]: s[1] for group in groups for s in group["subsets"] if not isinstance(s, str)}
    models = [{"abbr": abbr, "column": abbr} for abbr in ("base", "chat")]
    found = {
        model["abbr"]: {
            name: {wanted.get(name, "accuracy"): rng.choice([rng.uniform(0, 100), rng.uniform(0, 1)]), "f1": 1.5}
            for name in names
        }
        for model in models
    }
    return {
        "models": models,
        "datasets": [{"abbr": name, "inferencer": rng.choice(INFERENCERS[:3]), "prompt": name} for name in names],
        "results": found,
        "groups": groups,
        "rows": summarizer.get("dataset_abbrs"),
    }
