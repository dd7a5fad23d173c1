"""Datasets load, or one message says which file, line, row or column is at fault."""

from __future__ import annotations

import json

import pytest

from inference.datasets import load_rows
from inference.problems import InputProblem

READER = {"input_columns": "question", "output_column": "answer"}


def write_jsonl(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def data_dir(tmp_path):
    rows = [{"question": f"{n}+{n}=?", "answer": str(2 * n)} for n in range(10)]
    write_jsonl(tmp_path / "data/sums/train.jsonl", rows[:4])
    write_jsonl(tmp_path / "data/sums/test.jsonl", rows[4:])
    return tmp_path


def config(**changes):
    return {"abbr": "sums", "type": "JsonlDataset", "path": "./data/sums", "reader_cfg": READER, **changes}


def refusal(dataset_cfg, data_dir):
    with pytest.raises(InputProblem) as caught:
        load_rows(dataset_cfg, str(data_dir))
    assert caught.value.retryable is False
    assert str(caught.value).startswith("dataset sums: ")
    return str(caught.value)


def test_relative_paths_start_at_the_data_root(data_dir, monkeypatch):
    rows = load_rows(config(), str(data_dir))
    assert (len(rows.train), len(rows.test)) == (4, 6)
    assert rows.selected == list(range(6))
    assert rows.split == "test"
    monkeypatch.chdir(data_dir)
    assert load_rows(config(), "") == rows
    assert load_rows(config(path=str(data_dir / "data/sums")), "/elsewhere") == rows


def test_ranges_and_splits_of_the_reader_are_used(data_dir):
    reader = {**READER, "train_range": "[:2]", "test_range": "[::-2]", "test_split": "train", "train_split": "test"}
    rows = load_rows(config(reader_cfg=reader), str(data_dir))
    assert [row["answer"] for row in rows.train] == ["8", "10"]
    assert rows.selected == [3, 1]
    assert rows[0] == {"question": "3+3=?", "answer": "6"}


def test_one_file_serves_as_both_splits(data_dir):
    rows = load_rows(config(path="data/sums/train.jsonl"), str(data_dir))
    assert rows.train == rows.test
    assert rows.split == ""


def test_csv_rows_are_strings(data_dir):
    (data_dir / "data/sums.csv").write_bytes(b'\xef\xbb\xbfquestion,answer\n1+1=?,2\n"1,5+1","2,5"\n')
    rows = load_rows(config(type="CsvDataset", path="data/sums.csv"), str(data_dir))
    assert rows.test == [{"question": "1+1=?", "answer": "2"}, {"question": "1,5+1", "answer": "2,5"}]


def test_a_csv_record_with_too_few_fields_is_named_by_its_line(data_dir):
    (data_dir / "data/sums.csv").write_text("question,answer\n1+1=?,2\n2+2=?\n")
    assert "sums.csv:3" in refusal(config(type="CsvDataset", path="data/sums.csv"), data_dir)


def test_dotted_types_are_found_by_their_last_component(data_dir):
    dotted = config(type="opencompass.datasets.gsm8k.GSM8KDataset")
    assert len(load_rows(dotted, str(data_dir)).test) == 6


def test_an_unknown_type_names_the_near_ones(data_dir):
    assert "did you mean GSM8KDataset" in refusal(config(type="opencompass.datasets.GSM8kDataset"), data_dir)


def test_a_missing_path_names_where_it_was_looked_for(data_dir):
    assert f"{data_dir / 'data/none'} does not exist" in refusal(config(path="./data/none"), data_dir)


def test_a_damaged_line_is_named_by_file_and_number(data_dir):
    with (data_dir / "data/sums/test.jsonl").open("a") as stream:
        stream.write('{"question": "1+')
    assert "test.jsonl:7: not JSON" in refusal(config(), data_dir)


def test_a_file_that_is_not_utf_8_is_named(data_dir):
    (data_dir / "data/sums/test.jsonl").write_bytes(b'{"question": "\xff"}\n')
    assert "test.jsonl is not UTF-8 (byte 14)" in refusal(config(), data_dir)


def test_a_csv_quote_that_never_ends_is_named(data_dir):
    (data_dir / "data/sums.csv").write_text('question,answer\n"1+1=?,2\n')
    assert "sums.csv:2" in refusal(config(type="CsvDataset", path="data/sums.csv"), data_dir)


def test_line_separators_inside_a_value_do_not_end_the_line(data_dir):
    text = json.dumps({"question": "a\u2028b", "answer": "1"}, ensure_ascii=False)
    (data_dir / "data/sums/test.jsonl").write_text(text + "\r\n")
    assert load_rows(config(), str(data_dir)).test == [{"question": "a\u2028b", "answer": "1"}]


def test_a_line_that_is_no_object_is_refused(data_dir):
    (data_dir / "data/sums/test.jsonl").write_text("[1]\n")
    assert "test.jsonl:1: a JSON object is wanted, not list" in refusal(config(), data_dir)


def test_a_row_without_a_column_is_named_with_its_columns(data_dir):
    write_jsonl(data_dir / "data/sums/test.jsonl", [{"question": "1", "answer": "1"}, {"question": "2", "answr": "2"}])
    message = refusal(config(), data_dir)
    assert "row 1 has no column 'answer'" in message
    assert "question, answr" in message


def test_rows_outside_the_range_need_no_columns(data_dir):
    write_jsonl(data_dir / "data/sums/test.jsonl", [{"question": "1", "answer": "1"}, {"question": "2"}])
    assert load_rows(config(reader_cfg={**READER, "test_range": "[:1]"}), str(data_dir)).selected == [0]


def test_a_missing_split_is_named_with_those_there_are(data_dir):
    assert "train" in refusal(config(reader_cfg={**READER, "test_split": "dev"}), data_dir)


def test_an_unknown_option_is_refused_instead_of_ignored(data_dir):
    assert "nme" in refusal(config(nme="x"), data_dir)


def test_more_drawn_than_there_are_runs_is_refused(data_dir):
    assert "more than the 4 runs" in refusal(config(n=4, k=[2, 8]), data_dir)


def bbh(tmp_path, examples):
    folder = tmp_path / "data/BBH/data"
    folder.mkdir(parents=True)
    (folder / "dates.json").write_text(json.dumps({"canary": "x", "examples": examples}))
    return {
        "abbr": "dates",
        "type": "BBHChoiceDataset",
        "path": "./data/BBH/data",
        "name": "dates",
        "reader_cfg": {"input_columns": ["question", "A", "B"], "output_column": "target"},
    }


def test_bbh_options_become_columns(tmp_path):
    choice = {"input": "Which day?\nOptions:\n(A) Monday\n(B) Sunday", "target": "(B)"}
    three = {"input": "Which day?\nOptions:\n(A) 1\n(B) 2\n(C) 3", "target": "(C)"}
    dataset_cfg = bbh(tmp_path, [choice, three, {"input": "no options", "target": "Yes"}])
    assert len(load_rows(dataset_cfg, str(tmp_path)).test) == 2
    assert load_rows({**dataset_cfg, "options": 2}, str(tmp_path)).test == [
        {"input": choice["input"], "question": "Which day?", "A": "Monday", "B": "Sunday", "target": "B"}
    ]
    with pytest.raises(InputProblem, match=r"no row with 4 options; counts that occur: \[2, 3\]"):
        load_rows({**dataset_cfg, "options": 4}, str(tmp_path))


def test_a_missing_bbh_subset_is_named(tmp_path):
    dataset_cfg = bbh(tmp_path, [])
    with pytest.raises(InputProblem, match=r"other\.json"):
        load_rows({**dataset_cfg, "type": "BBHDataset", "name": "other"}, str(tmp_path))


def test_real_data_load(shared_data, tmp_path):
    (tmp_path / "data").symlink_to(shared_data / "opencompass")
    gsm8k = {"abbr": "gsm8k", "type": "GSM8KDataset", "path": "opencompass/gsm8k", "reader_cfg": READER}
    rows = load_rows(gsm8k, str(tmp_path))
    assert len(rows.test) == 1319
    choice = {
        "abbr": "bbh",
        "type": "BBHChoiceDataset",
        "path": "./data/BBH/data",
        "name": "date_understanding",
        "options": 6,
        "reader_cfg": {"input_columns": ["question", *"ABCDEF"], "output_column": "target"},
    }
    assert len(load_rows(choice, str(tmp_path)).test) == 212
