"""What the card of a data set's repository says of its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference.hub import read_hub
from inference.problems import InputProblem


def lay(root: Path, card: str, *files: str) -> None:
    (root / "README.md").write_text(f"---\n{card}---\n# Made for tests\n")
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(json.dumps({"file": name}) + "\n")


def read(root: Path, name: str | None = None):
    splits = read_hub(lambda path: root, "made/for-tests", name)
    return {split: [row["file"] for row in rows] for split, rows in splits.items()}


@pytest.fixture(autouse=True)
def nothing_is_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "nowhere"))


def test_files_of_a_configuration_are_those_that_the_card_lists(tmp_path):
    listed = "configs:\n" + "".join(
        f"- config_name: {name}\n  data_files:\n  - split: test\n    path: {path}\n"
        for name, path in (("a", "data/a.jsonl"), ("b", "['data/b-*.jsonl', data/a.jsonl]"))
    )
    lay(tmp_path, listed, "data/a.jsonl", "data/b-1.jsonl", "data/b-0.jsonl")
    assert read(tmp_path, "a") == {"test": ["data/a.jsonl"]}
    assert read(tmp_path, "b") == {"test": ["data/b-0.jsonl", "data/b-1.jsonl", "data/a.jsonl"]}


def test_the_only_configuration_needs_no_name(tmp_path):
    lay(tmp_path, "configs:\n- config_name: all\n  data_files:\n  - split: dev\n    path: x.jsonl\n", "x.jsonl")
    assert read(tmp_path) == {"dev": ["x.jsonl"]}


def test_a_card_of_files_that_are_not_there_says_nothing(tmp_path):
    listed = "configs:\n- config_name: default\n  data_files:\n  - split: test\n    path: data/test-*\n"
    lay(tmp_path, listed, "default/train/0000.jsonl")
    assert read(tmp_path) == {"train": ["default/train/0000.jsonl"]}


def test_a_card_reads_nothing_outside_its_repository(tmp_path):
    (tmp_path / "secret.jsonl").write_text('{"file": "secret"}\n')
    listed = "configs:\n- config_name: default\n  data_files:\n  - split: test\n    path: [../secret.jsonl, /t.jsonl]\n"
    (tmp_path / "repository").mkdir()
    lay(tmp_path / "repository", listed, "t.jsonl")
    assert read(tmp_path / "repository") == {"test": ["t.jsonl"]}


def test_a_damaged_card_is_named(tmp_path):
    lay(tmp_path, "configs: [\ndata_files\n", "test.jsonl")
    with pytest.raises(InputProblem, match=r"README\.md does not begin with YAML"):
        read(tmp_path)
