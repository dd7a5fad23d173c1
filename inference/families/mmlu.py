"""MMLU: 57 subjects, four choices; its translations; and MMLU-Pro with up to ten choices."""

from __future__ import annotations

from typing import Any

from inference.evaluators import EVALUATORS, Scored, scored
from inference.hub import read_hub
from inference.loaders import LOADERS, Find, Row, Splits, like_the_first, read_contamination, read_jsonl, read_records
from inference.problems import InputProblem
from inference.sources import add_source

add_source("opencompass/mmlu", "data/mmlu", archive="mmlu.zip")
add_source("opencompass/mmmlu_lite", "data/mmmlu_lite", archive="mmmlu_lite.zip")
add_source("openai/MMMLU", "data/MMMLU", hub="openai/MMMLU")
add_source("opencompass/mmlu_pro", "data/mmlu_pro", archive="mmlu_pro.zip")

_COLUMNS = ("input", *"ABCD", "target")
_CONTAMINATION = (
    "https://github.com/liyucheng09/Contamination_Detector/releases/download/v0.1.1rc2/mmlu_annotations.json"
)


@LOADERS.add("MMLUDataset", "MMLUArabicDataset")
def load(find: Find, path: str, *, name: str, **ignored: Any) -> Splits:
    """``dev`` and ``test`` of ``{split}/{name}_{split}.csv``, which have no header."""
    return {split: _read(find, path, name, split) for split in ("dev", "test")}


@LOADERS.add("MMLUDatasetClean")
def load_annotated(find: Find, path: str, *, name: str) -> Splits:
    """As ``MMLUDataset``; the test rows say in ``is_clean`` whether they were found in training data."""
    file = find(path) / "test/MMLU_test_contamination_annotations.json"
    known = read_contamination(file, _CONTAMINATION)
    test = [
        {**row, "is_clean": known[f"{name} {number}"][0] if f"{name} {number}" in known else "not labeled"}
        for number, row in enumerate(_read(find, path, name, "test"))
    ]
    return {"dev": _read(find, path, name, "dev"), "test": test}


def _read(find: Find, path: str, name: str, split: str) -> list[Row]:
    file = find(path) / split / f"{name}_{split}.csv"
    records = read_records(file)
    wrong = next((number for number, record in enumerate(records, 1) if len(record) != len(_COLUMNS)), None)
    if wrong:
        raise InputProblem(f"{file}: record {wrong} has {len(records[wrong - 1])} fields where MMLU has 6; get it anew")
    return [dict(zip(_COLUMNS, record, strict=True)) for record in records]


@LOADERS.add("MMMLUDataset")
def load_translated(find: Find, path: str, *, name: str) -> Splits:
    """``test`` of a language, with the subject of each question.

    :param name: ``mmlu_LANGUAGE``, of which the language counts (``mmlu_AR-XY``).
    """
    rows = read_hub(find, path, name.split("_")[1].replace("-", "_"))["test"]
    return {"test": [_translated(row) for row in rows]}


def _translated(row: Row) -> Row:
    choices = {letter: row[letter] for letter in "ABCD"}
    return {"input": row["Question"], **choices, "target": row["Answer"], "subject": row["Subject"].replace("_", " ")}


@LOADERS.add("MMMLULiteDataset")
def load_translated_sample(find: Find, path: str, *, name: str) -> Splits:
    """``test.jsonl`` in the folder of the language, which ends the name."""
    return {"test": like_the_first(read_jsonl(find(path) / name.split("_")[-1] / "test.jsonl"))}


@LOADERS.add("MMLUProDataset")
def load_pro(find: Find, path: str, *, category: str) -> Splits:
    """The questions of a category; ``options_str`` lists the choices, ``answer_string`` the right one's line."""
    splits = read_hub(find, path)
    return {
        split: [_with_options(row) for row in rows if row["category"] == category] for split, rows in splits.items()
    }


def _with_options(row: Row) -> Row:
    lines = {
        letter: f"{letter}. {option}\n"
        for letter, option in zip("ABCDEFGHIJKLMNOP", row["options"], strict=False)
        if option != "N/A"
    }
    return {
        **row,
        "cot_content": row["cot_content"].removeprefix("A: Let's think step by step.").strip(),
        "answer_string": lines.get(row["answer"], ""),
        "options_str": "".join(lines.values()).strip(),
    }


@EVALUATORS.add("MMLUProBaseEvaluator")
def score_pro(predictions: list[Any], references: list[Any]) -> Scored:
    """The first line is the reference's letter or the text behind it (a reference reads ``B. The text``)."""
    details = []
    for prediction, reference in zip(predictions, references, strict=True):
        said = prediction.split("\n")[0].strip()
        details.append({"pred": said, "answer": reference, "correct": _is_choice(said, reference)})
    return scored("accuracy", details)


def _is_choice(said: str, reference: str) -> bool:
    parts = reference.split(". ")  # as in OpenCompass, a choice that holds ". " itself is never right
    return len(parts) == 2 and (said == parts[0] or said == parts[1].strip())
