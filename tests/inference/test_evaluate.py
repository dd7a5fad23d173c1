"""An eval shard: results in OpenCompass's form, and nothing scored that is not what was planned."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import statistics

import pytest

from inference.evaluate import evaluate, standard_error
from inference.problems import InputProblem, MissingParts
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.evidence import result_problem
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.records import Manifest
from opencompass_ops.contract.spec import EVAL, Part, ShardSpec

GOLD = ["4", "6", "8", "10", "12"]
SAID = ["4", "six", "", "10", "12\nQ: 7+7=?"]


@pytest.fixture
def data_dir(tmp_path):
    write_rows(tmp_path, GOLD)
    return tmp_path


def write_rows(data_dir, answers):
    folder = data_dir / "data/sums"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"q": f"{n + 2}+{n + 2}=?", "a": answer} for n, answer in enumerate(answers)]
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def files(tmp_path):
    return LocalFiles(tmp_path / "run")


def dataset(evaluator="AccEvaluator", **eval_cfg):
    return {
        "abbr": "sums",
        "type": "JsonlDataset",
        "path": "./data/sums",
        "reader_cfg": {"input_columns": ["q"], "output_column": "a", "test_range": "[::-1]"},
        "eval_cfg": {
            "evaluator": evaluator if isinstance(evaluator, dict) else {"type": evaluator},
            "pred_role": "BOT",
            "pred_postprocessor": {"type": "gsm8k"},
            **eval_cfg,
        },
    }


def make_spec(data_dir, config=None, bounds=(0, 2, 5), model=None):
    config = config or dataset()
    parts = tuple(
        Part(config, number if len(bounds) > 2 else None, start, stop, bounds[-1], f"fp-{start}-{stop}", "pair")
        for number, (start, stop) in enumerate(itertools.pairwise(bounds))
    )
    return ShardSpec("eval-0001", EVAL, model or {"abbr": "tiny"}, parts, "sha256:w", "scoring", str(data_dir))


def write_predictions(files, spec, entries=None):
    """What an infer shard leaves; entries are in the order of the selected rows."""
    entries = entries or [
        {"origin_prompt": f"row {row}", "prediction": SAID[row], "gold": GOLD[row]} for row in reversed(range(5))
    ]
    for part in spec.parts:
        path = layout.prediction(spec.model_abbr, part.name)
        found = {str(number): entry for number, entry in enumerate(entries[part.start : part.stop])}
        body = json.dumps(found, indent=4, ensure_ascii=False).encode("utf-8", "backslashreplace")
        manifest = Manifest(
            f"{part.name}.json", codec.digest_bytes(body), spec.model_abbr, "sums", "infer-0001", "token", part.start,
            part.stop, part.total, part.count, part.fingerprint, "pair", "sha256:w", details={"truncated": 1},
        )  # fmt: skip
        files.write(path, body)
        files.write(layout.manifest(path), manifest.to_json())


def read_result(files):
    return json.loads(files.read(layout.result("tiny", "sums")))


def read_samples(files):
    return [json.loads(line) for line in files.read(layout.samples("tiny", "sums")).decode().splitlines()]


def read_manifest(files):
    return Manifest.from_json(files.read(layout.manifest(layout.result("tiny", "sums"))))


def test_generations_are_scored_in_row_order_over_all_parts(files, data_dir):
    spec = make_spec(data_dir)
    write_predictions(files, spec)
    manifests = evaluate(files, spec, "token-e1")
    result = read_result(files)
    assert result["accuracy"] == pytest.approx(40.0)  # rows 3 and 0; row 4's last number is 7
    assert result["details"]["type"] == "GEN"
    assert result["details"]["1"] == {
        "prompt": "row 3",
        "origin_prediction": "10",
        "predictions": "10",
        "references": "10",
        "correct": True,
    }
    (path,) = manifests
    assert manifests[path] == codec.digest_bytes(files.read(path))
    assert result_problem(files, spec) == ""


def test_samples_name_the_row_of_the_data_file(files, data_dir):
    spec = make_spec(data_dir)
    write_predictions(files, spec)
    evaluate(files, spec, "token-e1")
    samples = read_samples(files)
    assert [(s["idx"], s["row"], s["correct"], s["score"]) for s in samples] == [
        (0, 4, False, 0.0), (1, 3, True, 1.0), (2, 2, False, 0.0), (3, 1, False, 0.0), (4, 0, True, 1.0)
    ]  # fmt: skip
    assert samples[2]["prediction"] == "NULL"
    assert samples[2]["reference"] == "8"


def test_the_manifest_says_how_sure_and_how_healthy_the_score_is(files, data_dir):
    spec = make_spec(data_dir)
    write_predictions(files, spec)
    evaluate(files, spec, "token-e1")
    manifest = read_manifest(files)
    (metric,) = manifest.details["metrics"]
    scores = [0, 100, 0, 0, 100]
    assert metric["stderr"] == pytest.approx(statistics.stdev(scores) / math.sqrt(5))
    assert {**metric, "stderr": 0} == {
        "name": "accuracy", "value": 40.0, "n": 5, "stderr": 0, "higher_is_better": True, "unit": "percent"
    }  # fmt: skip
    assert manifest.details["health"] == {"items": 5, "empty_predictions": 1, "empty_answers": 0, "truncated": 2}
    assert (manifest.fingerprint, manifest.pair_fingerprint, manifest.token) == ("scoring", "pair", "token-e1")
    assert (manifest.start, manifest.stop, manifest.total, manifest.count) == (0, 5, 5, 5)
    assert manifest.details["samples_sha256"] == codec.digest_bytes(files.read(layout.samples("tiny", "sums")))


def test_scoring_again_gives_the_same_result_file(files, data_dir):
    spec = make_spec(data_dir)
    write_predictions(files, spec)
    evaluate(files, spec, "token-e1")
    before = files.read(layout.result("tiny", "sums"))
    evaluate(files, spec, "token-e2")
    assert files.read(layout.result("tiny", "sums")) == before


def test_an_evaluator_with_details_writes_opencompasss_list(files, data_dir):
    spec = make_spec(data_dir, dataset("Gsm8kEvaluator"))
    write_predictions(files, spec)
    evaluate(files, spec, "token-e1")
    assert read_result(files)["details"][1] == {
        "example_abbr": "sums_test_3",
        "pred": ["10"],
        "answer": ["10"],
        "correct": [True],
    }


def test_the_models_post_processor_comes_before_the_datasets(files, data_dir):
    config = dataset(pred_postprocessor={"type": "general"})
    spec = make_spec(data_dir, config, model={"abbr": "tiny", "pred_postprocessor": {"type": "gsm8k"}})
    write_predictions(files, spec)
    evaluate(files, spec, "token-e1")
    assert read_samples(files)[0]["prediction"] == "7"


def test_references_are_post_processed(files, data_dir):
    write_rows(data_dir, [f"so #### {answer}" for answer in GOLD])
    entries = [{"origin_prompt": "", "prediction": answer} for answer in reversed(GOLD)]
    spec = make_spec(data_dir, dataset(dataset_postprocessor={"type": "gsm8k_dataset"}))
    write_predictions(files, spec, entries)
    evaluate(files, spec, "token-e1")
    assert read_result(files)["accuracy"] == 100.0


def test_rankings_keep_their_label_scores(files, data_dir):
    config = dataset()
    del config["eval_cfg"]["pred_postprocessor"]
    entry = {
        "in-context examples": "",
        "origin_prompt": "p",
        "label: 4": {"testing input": "p 4", "prompt": "p 4", "PPL": 1.5, "BPB": 0.5},
        "prediction": "4",
    }
    spec = make_spec(data_dir, config, bounds=(0, 5))
    write_predictions(files, spec, [entry] * 5)
    evaluate(files, spec, "token-e1")
    result = read_result(files)
    assert result["accuracy"] == 20.0
    assert result["details"]["type"] == "PPL"
    assert result["details"]["4"] == {
        "origin_prediction": {"origin_prompt": "p", "4": {"prompt": "p 4", "PPL": 1.5, "BPB": 0.5}},
        "predictions": "4",
        "references": "4",
        "correct": True,
    }


def test_text_that_is_no_valid_unicode_is_scored(files, data_dir):
    entries = [{"origin_prompt": "", "prediction": "\ud800\u2028 4"}] * 5
    spec = make_spec(data_dir)
    write_predictions(files, spec, entries)
    evaluate(files, spec, "token-e1")
    assert read_result(files)["details"]["0"]["origin_prediction"] == "\ud800\u2028 4"
    assert len(read_samples(files)) == 5


def test_every_missing_part_is_named_and_nothing_is_written(files, data_dir):
    spec = make_spec(data_dir, bounds=(0, 2, 3, 5))
    write_predictions(files, spec)
    for name, damage in (("sums_0", b"{}"), ("sums_2", None)):
        path = files.path(layout.prediction("tiny", name))
        path.write_bytes(damage) if damage else path.unlink()
    with pytest.raises(MissingParts) as caught:
        evaluate(files, spec, "token-e1")
    assert caught.value.retryable is True
    assert "2 of 3 parts" in str(caught.value)
    assert "sums_0.json is not the file its manifest describes" in str(caught.value)
    assert "sums_2.json is missing" in str(caught.value)
    assert files.list("results/tiny") == []


def test_a_file_whose_manifest_agrees_but_whose_items_do_not_is_refused(files, data_dir):
    spec = make_spec(data_dir, bounds=(0, 5))
    write_predictions(files, spec, [{"origin_prompt": "", "prediction": "4"}] * 4)
    with pytest.raises(MissingParts, match=r"sums\.json does not hold the items 0\.\.4"):
        evaluate(files, spec, "token-e1")


def test_data_edited_after_inference_is_never_scored(files, data_dir):
    spec = make_spec(data_dir)
    write_predictions(files, spec)
    write_rows(data_dir, ["4", "6", "9", "10", "12"])
    with pytest.raises(InputProblem, match="row 2 has reference '9', but was answered with '8'"):
        evaluate(files, spec, "token-e1")
    write_rows(data_dir, GOLD[:4])
    with pytest.raises(InputProblem, match="4 rows are selected, but 5 were answered"):
        evaluate(files, spec, "token-e1")


def test_parts_that_do_not_tile_the_dataset_are_refused(files, data_dir):
    spec = make_spec(data_dir)
    write_predictions(files, spec)
    for parts in (spec.parts[:1], spec.parts[1:], (spec.parts[0], dataclasses.replace(spec.parts[1], start=1))):
        with pytest.raises(InputProblem, match="the plan is damaged"):
            evaluate(files, dataclasses.replace(spec, parts=parts), "token-e1")


@pytest.mark.parametrize(
    ("eval_cfg", "message"),
    [
        ({"evaluator": {"type": "TasteEvaluator"}}, "unknown evaluator type"),
        ({"evaluator": {"type": "AccEvaluator", "judge": "x"}}, "judge"),
        ({"pred_postprocessor": {"type": "nope"}}, "unknown post-processor"),
    ],
)
def test_scoring_that_is_not_native_is_refused_with_the_dataset_named(files, data_dir, eval_cfg, message):
    spec = make_spec(data_dir, dataset(**eval_cfg))
    write_predictions(files, spec)
    with pytest.raises(InputProblem, match=message) as caught:
        evaluate(files, spec, "token-e1")
    assert "dataset sums" in str(caught.value)


def test_several_answers_per_row_are_refused(files, data_dir):
    spec = make_spec(data_dir)
    write_predictions(files, spec, [{"origin_prompt": "", "prediction": ["a", "b"]}] * 5)
    with pytest.raises(InputProblem, match="one answer per row"):
        evaluate(files, spec, "token-e1")


def test_one_score_has_no_standard_error():
    assert standard_error([1.0]) is None
    assert standard_error([0.0, 0.0]) == 0.0
