"""Rows of one's own: what is wrong in a file is told with its line, and what OpenCompass takes is taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.datasets import load_rows
from inference.problems import InputProblem


def _load(file: Path) -> list[dict[str, object]]:
    config = {"type": "CustomDataset", "abbr": "mine", "path": str(file), "reader_cfg": {"input_columns": ["question"]}}
    return load_rows(config, "").test


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("none.csv", "question,answer\n", "none.csv has no row"),
        ("none.jsonl", "\n\n", "none.jsonl has no row"),
        ("bad.jsonl", '{"question": 1}\n\n{"question"\n', "bad.jsonl:3: not JSON"),
        ("list.jsonl", '{"question": 1}\n[1]\n', "list.jsonl:2: a JSON object is wanted, not list"),
        ("short.csv", "question,A,answer\nq,x,A\nq,x\n", r"short.csv:3: not as many fields .*question, A, answer"),
        ("lost.jsonl", '{"question": 1, "answer": 2}\n{"question": 1}\n', "lost.jsonl:2: it lacks 'answer'.*the first"),
        (
            "new.jsonl",
            '{"question": 1, "A": 1}\n{"question": 1, "A": 1, "B": 2}\n',
            "new.jsonl:2: it has an option 'B'",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(tmp_path: Path, name: str, text: str, message: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputProblem, match=message):
        _load(tmp_path / name)


def test_a_row_may_lack_an_option_and_have_columns_that_nobody_knows(tmp_path: Path):
    file = tmp_path / "mcq.jsonl"
    file.write_text('{"question": 1, "A": 1, "B": 2, "id": 7}\n{"question": 2, "A": 1, "source": "x"}\n')
    assert _load(file) == [
        {"question": 1, "A": 1, "B": 2, "id": 7},
        {"question": 2, "A": 1, "B": None, "id": None},
    ]
