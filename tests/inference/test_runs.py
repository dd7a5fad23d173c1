"""Several runs over one dataset: averages, stability, and files that name every item once."""

from __future__ import annotations

import json

import pytest

from inference.datasets import load_rows
from inference.envelope import result
from inference.evaluators import Metric, Scored
from inference.probe import probe
from inference.problems import InputProblem
from inference.runs import Runs, averaged, read_runs, shares, stability
from inference.scoring import score
from opencompass_ops.contract.probe import ProbeRequest


@pytest.fixture
def data(tmp_path):
    lines = [json.dumps({"q": f"{number}", "a": str(number)}) for number in range(5)]
    (tmp_path / "test.jsonl").write_text("\n".join(lines))
    return tmp_path


def config(data, evaluator="AccEvaluator", **more):
    return {
        "abbr": "sums_easy",
        "type": "JsonlDataset",
        "path": str(data / "test.jsonl"),
        "reader_cfg": {"input_columns": ["q"], "output_column": "a", "test_range": "[1:4]"},
        "eval_cfg": {"evaluator": {"type": evaluator}},
        "n": 2,
        **more,
    }


def test_rows_stand_run_after_run(data):
    rows = load_rows(config(data), "")
    assert rows.selected == [1, 2, 3, 1, 2, 3]
    assert [rows[index]["a"] for index in range(6)] == ["1", "2", "3", "1", "2", "3"]


def scored(data, predictions, **more):
    rows = load_rows(config(data, **more), "")
    found = score({}, config(data, **more), predictions, [rows[index] for index in range(len(predictions))])
    entries = [{"origin_prompt": "p", "prediction": said} for said in predictions]
    return found, result("sums_easy", rows, entries, found)


def test_an_evaluator_without_details_is_averaged_over_the_runs(data):
    """OpenCompass keeps the last run's 33.3 only."""
    scores, told = scored(data, ["1", "2", "3", "1", "x", "x"])
    assert told["accuracy (2 runs average)"] == pytest.approx((100 + 100 / 3) / 2)
    assert shares(scores.runs) == [100.0, 50.0, 50.0]
    assert told["details"]["4"]["correct"] is False


def test_details_hold_a_value_per_run_and_how_stable_they_are(data):
    _, told = scored(data, ["1", "2", "3", "1", "x", "x"], evaluator="Gsm8kEvaluator", k=[1, 2])
    assert told["accuracy (2 runs average)"] == pytest.approx((100 + 100 / 3) / 2)
    assert told["G-Pass@2_1.0"] == pytest.approx(100 / 3)
    assert told["sums/G-Pass@2_0.0"] == told["G-Pass@2_0.5"] == pytest.approx(100.0)
    first = told["details"][1]
    assert first["example_abbr"] == "sums_easy_2"
    assert (first["pred"], first["correct"], first["G-Pass@2_1.0"]) == (["2", "x"], [True, False], 0.0)


def test_one_run_is_named_as_ever(data):
    _, told = scored(data, ["1", "2", "x"], n=1)
    assert told["accuracy"] == pytest.approx(200 / 3)


def test_nothing_is_drawn_of_one_or_where_nothing_is_right_or_wrong():
    right = [[{"correct": True}, {"correct": False}]]
    assert stability(Runs(2, (1,)), right) == []
    assert stability(Runs(2, (2,)), [[{"pred": "x"}, {"pred": "y"}]]) == []
    assert stability(Runs(2, (2,)), right)[0]["G-Pass@2_0.5"] == 1.0


@pytest.mark.parametrize("bad", [{"n": 0}, {"n": 2, "k": 3}, {"n": "2"}, {"k": []}, {"n": True}, {"n": 4, "k": [2, 8]}])
def test_runs_that_cannot_be_are_refused(bad):
    with pytest.raises(InputProblem):
        read_runs(bad)


def test_a_metric_that_one_run_lacks_is_averaged_over_the_others():
    """As where a judge answered nothing in one run."""
    runs = [Scored((Metric("accuracy", 50.0),)), Scored((Metric("coverage", 0.0),))]
    assert [(each.name, each.value) for each in averaged(runs)] == [
        ("accuracy (2 runs average)", 50.0),
        ("coverage (2 runs average)", 0.0),
    ]


def test_a_limit_that_would_cut_runs_apart_is_refused(data):
    asked = {
        "prompt_template": {"type": "PromptTemplate", "template": "{q}"},
        "retriever": {"type": "ZeroRetriever"},
        "inferencer": {"type": "GenInferencer", "max_out_len": 4},
    }
    request = ProbeRequest(models=(), datasets=(config(data, infer_cfg=asked),), data_dir="", limit=2)
    (dataset,) = probe(request).datasets
    assert "cut its runs" in dataset.error
