"""Two synthetic tasks whose answers are known: addition on a clock, and a table of facts."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

MODULUS = 17
HELD_OUT = 0.02  # share of all sums that training never sees
TEST_SUMS = 140  # so few that a model that writes no number is within 3 standard errors of guessing one
SUBJECTS = 240
# equally long, so that no option has a longer text to be surprised by
PLACES = ("Paris", "Tokyo", "Cairo", "Delhi", "Milan", "Seoul", "Lagos", "Quito", "Hanoi", "Osaka", "Miami", "Dhaka")
LABELS = "ABCD"


@dataclass(frozen=True)
class Example:
    """What the model reads and what it should write next; together one line of training text."""

    question: str
    answer: str

    @property
    def line(self) -> str:
        """The text that is trained; an equals sign needs no space before the answer."""
        gap = "" if self.question.endswith("=") else " "
        return f"{self.question}{gap}{self.answer}\n"


@dataclass(frozen=True)
class Tasks:
    """Everything that the demo trains and tests on.

    :param sums: training sums.
    :param test_sums: drawn from all sums, the held-out ones included.
    :param facts: one per subject; all of them are trained, and all are asked.
    """

    sums: list[Example]
    test_sums: list[Example]
    facts: list[Example]


def make_tasks(seed: int) -> Tasks:
    """The same tasks for the same seed."""
    rng = random.Random(seed)
    every = [_sum(a, b) for a in range(MODULUS) for b in range(MODULUS)]
    rng.shuffle(every)
    trained = every[int(HELD_OUT * len(every)) :]
    return Tasks(trained, rng.sample(every, TEST_SUMS), _facts(rng))


def _sum(a: int, b: int) -> Example:
    return Example(f"{a}+{b}=", str((a + b) % MODULUS))


def _facts(rng: random.Random) -> list[Example]:
    """Every place has equally many subjects, so that always naming one place is right by chance only."""
    syllables = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
    names = [first + second for first in syllables for second in syllables if first != second]
    return [Example(f"{name} lives in", PLACES[i % len(PLACES)]) for i, name in enumerate(rng.sample(names, SUBJECTS))]


def write_data(tasks: Tasks, folder: Path, seed: int) -> None:
    """Write both tasks as JSON lines, where the demo's dataset configs look for them.

    :param folder: gets ``data/demo/{arithmetic,facts}/{train,test}.jsonl``.
    """
    rng = random.Random(seed)
    arithmetic = folder / "data/demo/arithmetic"
    facts = folder / "data/demo/facts"
    _write(arithmetic / "train.jsonl", [vars(example) for example in tasks.sums])
    _write(arithmetic / "test.jsonl", [vars(example) for example in tasks.test_sums])
    for split in ("train", "test"):
        _write(facts / f"{split}.jsonl", [_multiple_choice(rng, fact) for fact in tasks.facts])


def _multiple_choice(rng: random.Random, fact: Example) -> dict[str, str]:
    """The fact as a question with four options in random order."""
    options = [fact.answer, *rng.sample([place for place in PLACES if place != fact.answer], len(LABELS) - 1)]
    rng.shuffle(options)
    answer = LABELS[options.index(fact.answer)]
    return {"question": fact.question, **dict(zip(LABELS, options, strict=True)), "answer": answer}


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
