"""Files of one's own without a type become the dataset configs that OpenCompass makes of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from opencompass_ops.configs.custom import with_custom_datasets
from opencompass_ops.configs.load import LoadedConfig
from recorders import scripted

RECORDS = json.loads((Path(__file__).parents[1] / "golden/scoring/custom.json").read_text(encoding="utf-8"))


@pytest.fixture
def folder(tmp_path):
    scripted.write_custom(tmp_path)
    return tmp_path


def whole(folder, *datasets):
    return with_custom_datasets(LoadedConfig(Path("eval.py"), {"datasets": list(datasets), "models": [1]}), folder)


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: "-".join(map(str, record["config"].values())))
def test_a_file_becomes_opencompass_own_config(folder, record):
    loaded = whole(folder, record["config"])
    assert loaded.error == ""
    assert loaded.values["datasets"] == [record["dataset"]]


def test_other_datasets_and_values_stay(folder):
    typed = {"type": "X", "path": "mcq.csv"}
    loaded = whole(folder, typed, {"path": "qa.jsonl", "n": 2, "k": 2})
    assert loaded.values["models"] == [1]
    assert loaded.values["datasets"][0] == typed
    assert (loaded.values["datasets"][1]["n"], loaded.values["datasets"][1]["k"]) == (2, 2)
    assert not loaded.files


def test_meta_data_that_were_read_count_for_the_fingerprint(folder):
    first = whole(folder, {"path": "meta.jsonl"}).files
    (folder / "meta.jsonl.meta.json").write_text("{}")
    second = whole(folder, {"path": "meta.jsonl"}).files
    assert list(first) == list(second) == [str(folder / "meta.jsonl.meta.json")]
    assert first != second


def test_where_meta_data_say_it_all_the_file_need_not_be_here(folder):
    meta = {"input_columns": ["question", "A", "B"], "output_column": "answer", "options": ["A", "B"]}
    (folder / "far.jsonl.meta.json").write_text(json.dumps(meta))
    (dataset,) = whole(folder, {"path": "far.jsonl"}).values["datasets"]
    assert dataset["eval_cfg"]["evaluator"]["options"] == ["A", "B"]
    assert dataset["abbr"] == "far"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"path": "far.jsonl"}, r"far.jsonl cannot be read here .* input_columns"),
        ({"path": "mcq.txt"}, "has no type"),
        ({"path": "qa.jsonl", "infer_method": "ppl"}, "'qa' with infer_method 'ppl' is none of mcq with gen"),
        ({"path": "qa.jsonl", "meta_path": "nowhere.json"}, "nowhere.json does not exist"),
        ({"path": "bad.jsonl"}, r"bad.jsonl:1 is no JSON"),
        ({"path": "list.jsonl"}, r"list.jsonl:1 must be an object"),
        ({"path": "qa.jsonl", "meta_path": "list.jsonl"}, "must hold an object"),
    ],
)
def test_what_makes_no_dataset_is_said(folder, config, message):
    (folder / "bad.jsonl").write_text("question: q\n")
    (folder / "list.jsonl").write_text("[1]\n")
    loaded = whole(folder, config)
    assert loaded.values == {}
    assert re.search(message, loaded.error)


def test_a_config_that_could_not_be_read_stays_as_it_is(folder):
    loaded = LoadedConfig(Path("eval.py"), error="broken")
    assert with_custom_datasets(loaded, folder) is loaded
