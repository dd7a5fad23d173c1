"""Answers that repeat themselves are those that OpenCompass's own analysis finds."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.repeats import report
from inference.repetition import FEWEST, PATTERN_SIZE, compression, find_pattern
from repeat_cases import BENCHMARKS, MODELS, write_predictions, write_tokenizer

GOLDEN = Path(__file__).parents[1] / "golden" / "repeats" / "report.json"


@pytest.mark.model
def test_the_report_is_opencompass_s(tmp_path):
    write_tokenizer(tmp_path / "tokenizer")
    write_predictions(tmp_path)
    pairs = [
        {"model": model, "benchmark": benchmark, "paths": [f"predictions/{model}/{benchmark}.json"]}
        for model in MODELS
        for benchmark in BENCHMARKS
    ]
    models = [{"abbr": name, "path": str(tmp_path / "tokenizer")} for name in MODELS]
    models.append({"abbr": "far", "path": "nowhere"})
    asked = {"run_dir": str(tmp_path), "data_dir": str(tmp_path), "models": models, "pairs": pairs}
    found = json.loads(json.dumps(report(asked)).replace(str(tmp_path), "WORK"))
    golden = json.loads(GOLDEN.read_text())
    assert list(found.pop("models_without_tokenizer")) == ["far"]
    for samples in found["abnormal_samples"].values():
        for sample in samples:
            del sample["prediction"]
    assert found["summary"] == golden["summary"]
    assert found["missing_prediction_files"] == golden["missing_prediction_files"]
    assert sum(golden["summary"]["abnormal_counts"].values()) > 4, "the cases must show something"
    for name in BENCHMARKS:
        ours, theirs = found["benchmark_stats"][name], golden["benchmark_stats"][name]
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            assert ours[key] == pytest.approx(value), (name, key)
    for sign, samples in golden["abnormal_samples"].items():
        by_id = {(s["model"], s["benchmark"], s["sample_id"]): s for s in found["abnormal_samples"][sign]}
        assert len(by_id) == len(samples)
        for sample in samples:
            assert by_id[sample["model"], sample["benchmark"], sample["sample_id"]] == pytest.approx(sample)


@given(st.integers(1, 30), st.integers(0, 2**32))
def test_a_loop_is_found_whatever_came_before_it(period, seed):
    rng = random.Random(seed)
    loop = [str(rng.random()) for _ in range(period)]
    before = [str(rng.random()) for _ in range(100)]
    pattern = find_pattern(before + loop * (40 + 400 // period))
    assert pattern.count > FEWEST
    assert 0 < pattern.ratio <= 1
    assert set(pattern.text.split()) <= set(loop)


@given(st.integers(0, 300))
def test_words_that_never_come_again_are_no_pattern(count):
    pattern = find_pattern([str(number) for number in range(count)])
    assert (pattern.count, pattern.ratio) == (0, 0)
    assert bool(pattern.text) == (count >= 2 * PATTERN_SIZE)


def test_an_empty_text_compresses_to_nothing():
    assert compression("") == 0
    assert compression("a" * 9000) > 40
