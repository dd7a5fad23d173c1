"""The demo's synthetic tasks."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

from demo.tasks import LABELS, MODULUS, PLACES, TEST_SUMS, make_tasks, write_data


def _rows(folder: Path, name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "data/demo" / name).read_text().splitlines()]


def test_the_same_seed_makes_the_same_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_data(make_tasks(1), tmp_path / name, 1)
    for name in ("arithmetic/train.jsonl", "arithmetic/test.jsonl", "facts/train.jsonl", "facts/test.jsonl"):
        assert _rows(tmp_path / "a", name) == _rows(tmp_path / "b", name)
    assert make_tasks(1) != make_tasks(2)


def test_sums_are_right_and_some_are_held_out_of_training() -> None:
    tasks = make_tasks(1)
    for example in tasks.test_sums + tasks.sums:
        a, b = example.question.removesuffix("=").split("+")
        assert (int(a) + int(b)) % MODULUS == int(example.answer)
    assert len(set(tasks.sums)) == len(tasks.sums) < MODULUS**2
    assert set(tasks.test_sums) - set(tasks.sums)


def test_a_model_that_answers_no_sum_is_within_three_standard_errors_of_guessing() -> None:
    chance = 1 / MODULUS
    assert chance <= 3 * math.sqrt(chance * (1 - chance) / TEST_SUMS)


def test_each_fact_has_its_place_among_four_different_options(tmp_path: Path) -> None:
    tasks = make_tasks(1)
    write_data(tasks, tmp_path, 1)
    truth = {fact.question: fact.answer for fact in tasks.facts}
    rows = _rows(tmp_path, "facts/test.jsonl")
    for row in rows:
        assert row[row["answer"]] == truth[row["question"]]
        assert len({row[label] for label in LABELS}) == len(LABELS)
    assert len(truth) == len(rows)


def test_neither_a_letter_nor_a_place_is_right_more_often_than_the_others(tmp_path: Path) -> None:
    tasks = make_tasks(1)
    write_data(tasks, tmp_path, 1)
    places = Counter(fact.answer for fact in tasks.facts)
    assert set(places) == set(PLACES)
    assert len(set(places.values())) == 1
    letters = Counter(row["answer"] for row in _rows(tmp_path, "facts/test.jsonl"))
    assert max(letters.values()) < 1.4 * min(letters.values())
    assert len({len(place) for place in PLACES}) == 1


def test_a_line_is_what_the_datasets_render() -> None:
    tasks = make_tasks(1)
    fact, total = tasks.facts[0], tasks.sums[0]
    assert fact.line == f"{fact.question} {fact.answer}\n"
    assert total.line == f"{total.question}{total.answer}\n"
