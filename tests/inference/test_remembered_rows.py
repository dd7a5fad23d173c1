"""Rows are loaded again only when their files, their config or the question changed."""

from __future__ import annotations

import json
import os

import pytest

from inference import memory, remembered_rows
from inference.problems import InputProblem
from inference.remembered_rows import RememberedRows


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Asks for the rows of one dataset as a new process would; ``loads`` counts how often they are loaded."""

    class World:
        data = tmp_path / "data/sums"
        loads = 0
        config = {
            "abbr": "sums",
            "type": "JsonlDataset",
            "path": "./data/sums",
            "reader_cfg": {"input_columns": ["q"], "output_column": "a", "test_range": "[:2]"},
        }

        def write(self, count, name="test.jsonl"):
            self.data.mkdir(parents=True, exist_ok=True)
            body = "".join(json.dumps({"q": f"{n}+1", "a": str(n + 1)}) + "\n" for n in range(count))
            (self.data / name).write_text(body)

        def counts(self, cache=tmp_path / "cache", **changes):
            return RememberedRows(self.config | changes, str(tmp_path), str(cache or "")).counts()

    world = World()
    world.write(6)
    load_rows = remembered_rows.load_rows

    def counting(*arguments):
        world.loads += 1
        return load_rows(*arguments)

    monkeypatch.setattr(remembered_rows, "load_rows", counting)
    return world


def test_files_that_stayed_as_they_are_are_not_read_again(world):
    assert [world.counts(), world.counts(), world.counts()] == [(6, 2)] * 3
    assert world.loads == 1
    world.counts(cache=None)
    world.counts(cache=None)
    assert world.loads == 3


def test_every_question_is_remembered_by_itself_and_asked_of_one_load(world, tmp_path):
    def ask(*names):
        rows = RememberedRows(world.config, str(tmp_path), str(tmp_path / "cache"))
        return [rows.remembered(name, lambda loaded, name=name: name * len(loaded.selected)) for name in names]

    assert ask("a", "b", "a") == ["aa", "bb", "aa"]
    assert world.loads == 1
    assert ask("b", "c") == ["bb", "cc"]
    assert world.loads == 2


@pytest.mark.parametrize("change", ["content", "time", "new file", "config", "removed"])
def test_what_changed_is_looked_at_again(world, change):
    assert world.counts() == (6, 2)
    file = world.data / "test.jsonl"
    if change == "content":
        world.write(7)
        assert world.counts() == (7, 2)
    elif change == "time":
        os.utime(file, ns=(1, 1))
        assert world.counts() == (6, 2)
    elif change == "new file":
        world.write(3, "train.jsonl")
        assert world.counts() == (6, 2)
    elif change == "config":
        assert world.counts(reader_cfg={"input_columns": ["q"]}) == (6, 6)
    else:
        file.unlink()
        with pytest.raises(InputProblem):
            world.counts()
    assert world.loads == 2


def test_data_that_appear_where_they_are_looked_for_first_count(world, tmp_path, monkeypatch):
    other = tmp_path / "cache-of-data" / "data"
    other.mkdir(parents=True)
    world.data.rename(other / "sums")
    monkeypatch.setenv("COMPASS_DATA_CACHE", str(tmp_path / "cache-of-data"))
    assert [world.counts(), world.counts(), world.loads] == [(6, 2), (6, 2), 1]
    world.write(9)
    assert world.counts() == (9, 2)


def test_a_change_of_the_code_asks_anew(world, monkeypatch):
    world.counts()
    monkeypatch.setattr(remembered_rows, "_code", lambda: "another")
    world.counts()
    assert world.loads == 2


@pytest.mark.parametrize("damage", ["", "{", '{"value": [1, 2]}', '{"value": [1, 2], "files": {}}', "[]", "null"])
def test_a_damaged_memory_is_no_memory(world, tmp_path, damage):
    world.counts()
    (file,) = (tmp_path / "cache" / "rows").iterdir()
    file.write_text(damage)
    assert world.counts() == (6, 2)
    assert world.loads == 2


def test_a_file_that_changes_while_it_is_read_is_not_believed(tmp_path):
    file = tmp_path / "rows"
    file.write_text("one")
    with memory.noted_files() as seen:
        file.read_text()
        file.write_text("another")
    memory.keep(str(tmp_path / "cache"), "key", 1, seen)
    assert memory.recall(str(tmp_path / "cache"), "key") is None


def test_parquet_files_are_noted_though_their_library_opens_them_itself(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    from inference.hub import read_hub

    file = tmp_path / "test.parquet"
    parquet.write_table(pyarrow.table({"q": ["1+1"]}), file)
    with memory.noted_files() as seen:
        assert read_hub(lambda path: tmp_path, "any") == {"test": [{"q": "1+1"}]}
    assert str(file) in seen
