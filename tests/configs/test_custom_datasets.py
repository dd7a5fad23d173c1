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
    loaded = LoadedConfig(Path("eval.py"), {"datasets": list(datasets), "models": [1]})
    return with_custom_datasets(loaded, folder, is_scored=not any(d["path"] == "noanswer.jsonl" for d in datasets))


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


@pytest.mark.parametrize(
    ("name", "text", "config", "message"),
    [
        ("qa.jsonl", '{"question": "q", "answer": "a"}', {"data_type": "mcq"}, "at least two .*qa.jsonl:1 has"),
        (
            "one.csv",
            "question,A,answer\nq,x,A\n",
            {"data_type": "mcq"},
            "one.csv:1 has the columns question, A, answer",
        ),
        (
            "two.jsonl",
            '{"question": 1, "A": 1, "B": 2, "answer": "A"}',
            {"options": ["A", "B", "C"]},
            "which C is none",
        ),
        ("bare.csv", "question,A,B\nq,x,y\n", {}, "bare.csv:1 has the columns question, A, B and no 'answer'"),
        ("empty.jsonl", "", {}, "empty.jsonl is empty.*an object on each line"),
        ("blank.csv", "\n", {}, "blank.csv is empty.*a line of column names"),
    ],
)
def test_a_file_without_what_its_questions_need_is_refused_with_its_line(tmp_path, name, text, config, message):
    (tmp_path / name).write_text(text)
    loaded = whole(tmp_path, {"path": name, **config})
    assert loaded.values == {}
    assert re.search(message, loaded.error), loaded.error


def test_answers_that_nobody_scores_need_no_reference(tmp_path):
    (tmp_path / "bare.csv").write_text("question\nq\n")
    loaded = LoadedConfig(Path("eval.py"), {"datasets": [{"path": "bare.csv"}]})
    assert with_custom_datasets(loaded, tmp_path, is_scored=False).error == ""


def test_prompts_that_would_show_a_placeholder_draw_a_warning(tmp_path):
    (tmp_path / "odd.csv").write_text("problem,answer\np,a\n")
    (warning,) = whole(tmp_path, {"path": "odd.csv"}).warnings
    assert warning.startswith("dataset odd: odd.csv has no column 'question', so prompts show {question} as it stands")
    assert whole(tmp_path, {"path": "odd.csv", "human_prompt": "{problem}"}).warnings == ()
