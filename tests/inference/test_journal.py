"""A journal cut anywhere restores a subset, and going on from there gives the same predictions."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import journal
from inference.infer import is_answered, write_part
from inference.journal import Answer, Journal
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.spec import INFER, Part, ShardSpec

MODEL = "tiny"


def make_part(count: int, fingerprint: str = "f1") -> Part:
    return Part({"abbr": "toy"}, None, 0, count, count, fingerprint, "p1")


def entries(texts):
    return [
        Answer(item, {"origin_prompt": text, "prediction": text, "gold": item / 3}) for item, text in enumerate(texts)
    ]


def append(files, part, answers, rank=0):
    with Journal(files, MODEL, part, rank) as book:
        book.append(answers)


def file_of(files, part, rank=0) -> Path:
    return files.path(layout.journal(MODEL, part.name, rank))


def finish(files, part) -> bytes:
    spec = ShardSpec("infer-0000", INFER, {"abbr": MODEL}, (part,))
    write_part(files, spec, part, "oc-test")
    return files.read(layout.prediction(MODEL, part.name))


@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.text(max_size=12), min_size=1, max_size=6), data=st.data())
def test_any_byte_prefix_restores_a_subset_and_going_on_gives_the_same_bytes(texts, data):
    part, answers = make_part(len(texts)), entries(texts)
    with tempfile.TemporaryDirectory() as folder:
        files = LocalFiles(folder)
        append(files, part, answers)
        content = file_of(files, part).read_bytes()
        undisturbed = finish(files, part)
        cut = data.draw(st.integers(0, len(content)))
        file_of(files, part).write_bytes(content[:cut])
        journal.repair(files, MODEL, part)
        restored = journal.read(files, MODEL, part)
        assert all(answers[item] == answer for item, answer in restored.items())
        assert len(restored) == content[:cut].count(b"\n")
        append(files, part, [answer for answer in answers if answer.item not in restored])
        assert finish(files, part) == undisturbed


def test_a_truncated_journal_line_is_cut_off_before_anything_is_appended(tmp_path):
    files, part = LocalFiles(tmp_path), make_part(2)
    append(files, part, entries("ab"))
    path = file_of(files, part)
    path.write_bytes(path.read_bytes()[:-1])
    journal.repair(files, MODEL, part)
    append(files, part, entries("ab")[1:])
    assert [json.loads(line)["idx"] for line in path.read_text().splitlines()] == ["0", "1"]


@pytest.mark.parametrize(
    "damage",
    [
        b'{"idx": "1", "finger\n',
        b"\x00\xff\n",
        b"[]\n",
        b'{"idx": 1, "fingerprint": "f1", "truncated": false, "prediction": "x"}\n',
        b'{"idx": "7", "fingerprint": "f1", "truncated": false, "prediction": "x"}\n',
        b'{"idx": "-1", "fingerprint": "f1", "truncated": false, "prediction": "x"}\n',
        b'{"idx": "1", "fingerprint": "f1", "truncated": false}\n',
        b'{"idx": "1", "truncated": false, "prediction": "x"}\n',
    ],
)
def test_a_damaged_line_in_the_middle_is_recomputed(tmp_path, damage):
    files, part = LocalFiles(tmp_path), make_part(3)
    append(files, part, entries("abc"))
    path = file_of(files, part)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + damage + lines[2])
    journal.repair(files, MODEL, part)
    assert sorted(journal.read(files, MODEL, part)) == [0, 2]


def test_lines_of_another_fingerprint_are_set_aside(tmp_path):
    files, part = LocalFiles(tmp_path), make_part(2)
    append(files, make_part(2, "other"), entries("ab"))
    journal.repair(files, MODEL, part)
    assert journal.read(files, MODEL, part) == {}
    assert not file_of(files, part).exists()
    assert Path(f"{file_of(files, part)}.bak").exists()


def test_the_journals_of_all_processes_are_one(tmp_path):
    files, part = LocalFiles(tmp_path), make_part(3)
    for rank, answer in enumerate(entries("abc")):
        append(files, part, [answer], rank)
    assert sorted(journal.read(files, MODEL, part)) == [0, 1, 2]
    finish(files, part)
    assert files.list(f"predictions/{MODEL}") == ["toy.json", "toy.manifest.json"]


def test_the_journal_of_a_part_is_not_that_of_its_neighbour(tmp_path):
    files, part = LocalFiles(tmp_path), make_part(1)
    append(files, Part({"abbr": "toy"}, 1, 0, 1, 1, "f1", "p1"), entries("a"))
    assert journal.read(files, MODEL, part) == {}


def test_half_a_surrogate_pair_survives(tmp_path):
    files, part = LocalFiles(tmp_path), make_part(1)
    append(files, part, entries(["\ud83d"]))
    assert json.loads(finish(files, part))["0"]["prediction"] == "\ud83d"


def test_predictions_are_written_as_opencompass_writes_them(tmp_path):
    files, part = LocalFiles(tmp_path), make_part(1)
    append(files, part, [Answer(0, {"origin_prompt": "1 + 1 =", "prediction": " zwölf", "gold": 0})])
    lines = [
        "{",
        '    "0": {',
        '        "origin_prompt": "1 + 1 =",',
        '        "prediction": " zwölf",',
        '        "gold": 0',
    ]
    assert finish(files, part).decode() == "\n".join([*lines, "    }", "}"])


def test_a_part_with_a_missing_item_is_not_written(tmp_path):
    files, part = LocalFiles(tmp_path), make_part(3)
    append(files, part, entries("ab"))
    spec = ShardSpec("infer-0000", INFER, {"abbr": MODEL}, (part,))
    assert not is_answered(files, spec, part)
    with pytest.raises(RuntimeError, match="2 of 3 items"):
        write_part(files, spec, part, "oc-test")
    assert not files.exists(layout.prediction(MODEL, part.name))
