"""GPQA: questions that experts of other fields cannot answer with a search engine."""

from __future__ import annotations

import random
import re
from typing import Any

from inference.evaluators import EVALUATORS, Scored, scored
from inference.loaders import LOADERS, Find, Row, Splits, read_records
from inference.postprocess import POSTPROCESSORS
from inference.sources import add_source

add_source("opencompass/gpqa", "data/gpqa", archive="gpqa.zip")

_QUESTION, _CHOICES = 7, slice(8, 12)
"""Where a record holds them; the first choice is the right one."""

_REPEATS = 4


@LOADERS.add("GPQADataset")
def load(find: Find, path: str, *, name: str, **ignored: Any) -> Splits:
    """The choices turned by one more place from question to question, and the letter of the right one.

    :param name: the CSV file in the folder.
    """
    rows = []
    for number, (question, choices) in enumerate(_read(find, path, name), 1):
        turned = choices[number % 4 :] + choices[: number % 4]
        answer = "ABCD"[turned.index(choices[0])]
        rows.append({"question": question, **dict(zip("ABCD", turned, strict=True)), "answer": answer})
    return rows


@LOADERS.add("GPQASimpleEvalDataset")
def load_simple_eval(find: Find, path: str, *, name: str) -> Splits:
    """Every question four times with its choices in a drawn order, as the simple-evals of OpenAI draw it."""
    draw = random.Random(0)  # noqa: S311  # the order of choices is no secret
    return [
        _drawn(question, choices, draw.sample(range(4), 4)) for question, choices in _read(find, path, name) * _REPEATS
    ]


def _drawn(question: str, choices: list[str], order: list[int]) -> Row:
    shown = [choices[number] for number in order]
    row = {"question": question, "answer": "ABCD"[order.index(0)], "options": shown, "permutation": order}
    return {**row, **dict(zip("ABCD", shown, strict=True))}


def _read(find: Find, path: str, name: str) -> list[tuple[str, list[str]]]:
    records = read_records(find(path) / name)
    return [(record[_QUESTION], record[_CHOICES]) for record in records if record[_QUESTION] != "Question"]


@POSTPROCESSORS.add("GPQA_Simple_Eval_postprocess")
def answer_line(text: str) -> str | None:
    """The letter after the first ``Answer:``; None when there is none."""
    match = re.search(r"ANSWER\s*:\s*([A-D])", text, flags=re.IGNORECASE)
    return match.group(1) if match else None


@EVALUATORS.add("GPQAEvaluator")
def score(predictions: list[Any], references: list[Any]) -> Scored:
    """Equal."""
    details = [
        {"pred": prediction, "answer": reference, "correct": prediction == reference}
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    return scored("accuracy", details)
