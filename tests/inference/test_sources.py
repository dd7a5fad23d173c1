"""Data are found where OpenCompass looks for them, and what is missing is told with the command that gets it."""

from __future__ import annotations

import json

import pytest

from inference.datasets import load_rows
from inference.problems import InputProblem

READER = {"input_columns": ["question"], "output_column": "answer"}
RACE = {
    "abbr": "race",
    "type": "opencompass.datasets.RaceDataset",
    "path": "opencompass/race",
    "name": "middle",
    "reader_cfg": {**READER, "train_split": "validation"},
}


def lay_race(folder):
    row = {"article": "a", "question": "q", "options": ["1", "2", "3", "4"], "answer": "A"}
    for split in ("validation", "test"):
        file = folder / f"data/race/{split}/middle.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(row) + "\n")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for variable in ("COMPASS_DATA_CACHE", "HF_HOME", "HF_DATASETS_CACHE"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "home"


def refusal(config, data_dir):
    with pytest.raises(InputProblem) as caught:
        load_rows(config, str(data_dir))
    return str(caught.value)


@pytest.mark.parametrize("path", ["opencompass/race", "./data/race", "data/race/"])
def test_missing_data_are_named_with_the_command_that_gets_them(tmp_path, path):
    message = refusal({**RACE, "path": path}, tmp_path)
    assert f"{tmp_path / 'data/race'} does not exist; get it with: cd {tmp_path} && curl -fLO " in message
    assert "/race.zip && unzip race.zip -d data; or put the data there" in message


def test_missing_data_are_named_in_opencompass_s_own_place_too(tmp_path, monkeypatch):
    monkeypatch.setenv("COMPASS_DATA_CACHE", str(tmp_path / "cache"))
    message = refusal({**RACE, "path": "data/race"}, tmp_path)
    cached = tmp_path / "cache/data/race"
    assert f"{tmp_path / 'data/race'} does not exist, nor does {cached} of COMPASS_DATA_CACHE; get it" in message


def test_data_of_the_big_archive_and_of_the_hub_have_their_own_commands(tmp_path):
    siqa = {**RACE, "type": "siqaDataset", "path": "opencompass/siqa"}
    del siqa["name"]
    assert "&& unzip OpenCompassData-core-20240207.zip; or" in refusal(siqa, tmp_path)
    winograd = {**RACE, "type": "WinogradDataset", "path": "winograd_wsc", "name": "wsc285"}
    assert (
        "hf download winograd_wsc --repo-type dataset --revision refs/convert/parquet --local-dir data/winograd_wsc"
        in refusal(winograd, tmp_path)
    )


def test_data_lie_below_the_data_folder_or_opencompass_s_own_places(tmp_path, home, monkeypatch):
    lay_race(home / ".cache/opencompass")
    assert len(load_rows(RACE, str(tmp_path)).test) == 1
    lay_race(tmp_path / "cache")
    (home / ".cache/opencompass/data/race/test/middle.jsonl").write_text("")
    monkeypatch.setenv("COMPASS_DATA_CACHE", str(tmp_path / "cache"))
    assert len(load_rows(RACE, str(tmp_path)).test) == 1
    assert len(load_rows({**RACE, "path": str(tmp_path / "cache/data/race")}, "/elsewhere").test) == 1


def test_data_of_another_shape_are_told_from_a_fault_of_ours(tmp_path):
    lay_race(tmp_path)
    (tmp_path / "data/race/test/middle.jsonl").write_text('{"article": "a", "options": [1, 2, 3, 4]}\n')
    message = refusal(RACE, tmp_path)
    assert (
        "race: opencompass.datasets.RaceDataset: the data have not this dataset's shape (KeyError: 'question')"
        in message
    )


def test_labels_and_rows_must_be_as_many(tmp_path):
    folder = tmp_path / "data/siqa"
    folder.mkdir(parents=True)
    (folder / "train.jsonl").write_text('{"context": "c"}\n{"context": "d"}\n')
    (folder / "train-labels.lst").write_text("1\n")
    message = refusal({"abbr": "siqa", "type": "siqaDataset", "path": "opencompass/siqa"}, tmp_path)
    assert "train.jsonl has 2 lines and" in message


def test_what_is_known_of_contamination_is_not_downloaded(tmp_path):
    folder = tmp_path / "data/hellaswag"
    folder.mkdir(parents=True)
    (folder / "hellaswag.jsonl").write_text("{}\n")
    message = refusal({"abbr": "h", "type": "HellaswagDatasetClean", "path": "opencompass/hellaswag"}, tmp_path)
    assert "get it with: curl -fL -o " in message
    assert "hellaswag_annotations_with_line_index.json" in message


WINOGRAD = {
    "abbr": "winograd",
    "type": "opencompass.datasets.WinogradDataset",
    "path": "winograd_wsc",
    "trust_remote_code": True,
    "name": "wsc285",
    "reader_cfg": {"input_columns": ["opt1"], "output_column": "label", "train_split": "test", "test_split": "test"},
}
SCHEMA = {"text": "It fell.", "options": ["a", "b"], "label": 1, "pronoun": "It", "source": "s"}
READ = {"label": 1, "pronoun": "It", "prompt": "It fell.", "opt1": "a", "opt2": "b"}


def table(row):
    import pyarrow

    return pyarrow.Table.from_pylist([row])


@pytest.mark.parametrize("file", ["wsc285/test/0000.parquet", "wsc285/test-00000-of-00001.parquet", "test.parquet"])
def test_the_hub_s_parquet_files_are_read(tmp_path, file):
    import pyarrow.parquet

    place = tmp_path / "data/winograd_wsc" / file
    place.parent.mkdir(parents=True)
    pyarrow.parquet.write_table(table(SCHEMA), place)
    rows = load_rows(WINOGRAD, str(tmp_path))
    assert rows.test == rows.train == [READ]
    assert rows.split == "test"


def test_what_the_datasets_library_has_cached_is_read(tmp_path, monkeypatch):
    import pyarrow.ipc

    build = tmp_path / "hub/datasets/winograd_wsc/wsc285/0.0.0/0651311f3b6dda14889d9a063030a02458395ee5"
    build.mkdir(parents=True)
    (build / "dataset_info.json").write_text("{}")
    for name in ("winograd_wsc-test.arrow", "cache-1234.arrow"):
        with pyarrow.ipc.new_stream(str(build / name), table(SCHEMA).schema) as stream:
            stream.write_table(table(SCHEMA))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    assert load_rows(WINOGRAD, str(tmp_path)).test == [READ]


def test_a_damaged_parquet_file_is_named(tmp_path):
    place = tmp_path / "data/winograd_wsc/wsc285/test.parquet"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"PAR1 no")
    assert f"{place} cannot be read" in refusal(WINOGRAD, tmp_path)


def test_files_of_one_s_own_are_read_as_the_datasets_library_reads_them(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/rows.json").write_text('[{"question": "q", "answer": "a"}, {"answer": "b", "more": 1}]')
    config = {"abbr": "own", "type": "HFDataset", "path": "json", "data_files": "./data/rows.json", "split": "train"}
    rows = load_rows({**config, "reader_cfg": READER}, str(tmp_path))
    assert rows.test == [{"question": "q", "answer": "a", "more": None}, {"question": None, "answer": "b", "more": 1}]
    assert "split 'dev' is wanted; there are train" in refusal({**config, "split": "dev"}, tmp_path)
