"""``--analysis-repeat``: which answers of a run repeat themselves, as a report beside the summary."""

from __future__ import annotations

import json
from typing import Any

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.instance import absolute
from opencompass_ops.probing import ask
from opencompass_ops.results.station import configs_of


def analyse_repeats(files: LocalFiles, plan: Plan) -> tuple[str, list[str]]:
    """Write the report; returns its path below the run directory, and lines for people.

    :raises PlanError: the answers could not be looked through.
    :raises UnsureError: the login node could not be asked.
    """
    cluster = ClusterConfig.from_values(str(plan.cluster["name"]), plan.cluster)
    on_login = cluster.probe_on == "login"
    seen = cluster.on_cluster if on_login else str
    configs = configs_of(files, plan)["models"]
    question = {
        "run_dir": seen(str(files.root)),
        "data_dir": seen(str(absolute(cluster.data_dir))),
        "models": [_model(configs[model.abbr], cluster) for model in plan.models],
        "pairs": [
            {
                "model": pair.model,
                "benchmark": pair.dataset,
                "paths": [layout.prediction(pair.model, part) for part in pair.parts],
            }
            for pair in plan.pairs
        ],
    }
    found = json.loads(ask("repeats", json.dumps(question).encode(), cluster, cluster))
    path = layout.repeats(plan.stamp)
    files.write(
        path, json.dumps({"time": plan.stamp, "work_dir": str(files.root), **found}, indent=4, ensure_ascii=False)
    )
    return path, _lines(found)


def _model(config: dict[str, Any], cluster: ClusterConfig) -> dict[str, Any]:
    paths = {key: config[key] for key in ("path", "tokenizer_path") if isinstance(config.get(key), str)}
    here = paths if cluster.probe_on == "login" else {key: cluster.on_host(path) for key, path in paths.items()}
    return {"abbr": config["abbr"], **here}


def _lines(found: dict[str, Any]) -> list[str]:
    signs = found["abnormal_samples"]
    lines = []
    for name, statistics in sorted(found["benchmark_stats"].items()):
        counts = {sign: sum(sample["benchmark"] == name for sample in samples) for sign, samples in signs.items()}
        length = statistics["length"]
        lines.append(
            f"repetition in {name}: {statistics['sample_count']} answers of {length['mean']:.0f} tokens (p75 "
            f"{length['p75']}, p90 {length['p90']}); {counts['repeat_pattern']} repeat a pattern, "
            f"{counts['gzip_high_compression']} compress more than forty times"
        )
    problems = found["models_without_tokenizer"].items()
    return lines + [f"repetition: answers of {model} were not looked at: {why}" for model, why in problems]
