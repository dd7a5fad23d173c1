"""The summary's files against those that OpenCompass wrote of the same runs, byte by byte."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from opencompass_ops.configs.load import load
from opencompass_ops.configs.names import mode, prompt_hash
from opencompass_ops.contract.plan import PlannedDataset, PlannedModel
from opencompass_ops.results.findings import parse_result
from opencompass_ops.results.summary import summarize
from opencompass_wheel import opencompass_wheel  # noqa: F401  # a fixture
from summary_cases import COUNT, SEED, STAMP, cases, infer_cfg, library_case, summed_up


@pytest.fixture(scope="module")
def recorded(repo):
    return json.loads((repo / "tests/golden/summary/random_summaries.json").read_text())


def files_of(case):
    """The three files that we write of the case."""
    models = [PlannedModel(model["abbr"], "p", "w", model["column"]) for model in case["models"]]
    datasets = []
    for dataset in case["datasets"]:
        config = {"infer_cfg": infer_cfg(dataset)}
        datasets.append(PlannedDataset(dataset["abbr"], prompt_hash(config)[:6], mode(config), 1))
    results = {
        (model, name): parse_result(json.dumps(result))
        for model, found in case["results"].items()
        for name, result in found.items()
    }
    summary = summarize(
        STAMP, models, datasets, results, {"dataset_abbrs": case["rows"], "summary_groups": case["groups"]}
    )
    return {"txt": summary.text(), "csv": summary.csv(), "md": summary.markdown()}


def test_240_random_runs_are_summarised_byte_by_byte_as_opencompass_does(recorded):
    assert len(recorded["cases"]) == COUNT
    different = [
        number
        for number, (case, digests) in enumerate(zip(cases(), recorded["cases"], strict=True))
        if summed_up(files_of(case)) != digests
    ]
    assert different == []


def test_the_groups_of_opencompass_s_summarizer_configs_are_summarised_byte_by_byte(
    recorded,
    opencompass_wheel: Path,  # noqa: F811
):
    pytest.importorskip(
        "wcwidth", reason="wcwidth, of tabulate[widechars], is not installed: Chinese titles are cut short"
    )
    root = opencompass_wheel / "opencompass/configs/summarizers"
    loaded = load([root / name for name in recorded["library"]])
    different = []
    for config, (name, digests) in zip(loaded, recorded["library"].items(), strict=True):
        assert not config.error, config.error
        case = library_case(random.Random(SEED), config.values)
        if case is None or summed_up(files_of(case)) != digests:
            different.append(name)
    assert different == []
