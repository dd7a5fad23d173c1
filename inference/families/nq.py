"""Natural Questions: what people ask a search engine, with the accepted short answers."""

from __future__ import annotations

from typing import Any

from inference.answer_lists import read_answers, score_containing
from inference.evaluators import EVALUATORS, Scored
from inference.loaders import LOADERS, Find, Row, Splits, like_the_first, read_jsonl
from inference.problems import InputProblem
from inference.sources import add_source

add_source("opencompass/natural_question", "data/nq")
add_source("opencompass/nq_open", "data/nq-open", archive="nq-open.zip")


@LOADERS.add("NaturalQuestionDataset")
def load(find: Find, path: str) -> Splits:
    """``nq-{dev,test}.qa.csv``; the dev split keeps the first answer only."""
    return {split: read_answers(find(path) / f"nq-{split}.qa.csv", split == "dev") for split in ("dev", "test")}


@LOADERS.add("NQOpenDataset")
def load_open(find: Find, path: str) -> Splits:
    """``nq-open-{validation,train}.jsonl``; the train split keeps the first answer only."""
    rows = {
        split: like_the_first(read_jsonl(find(path) / f"nq-open-{split}.jsonl")) for split in ("validation", "train")
    }
    return {**rows, "train": [_first(row) for row in rows["train"]]}


def _first(row: Row) -> Row:
    if not isinstance(row.get("answer"), list) or not row["answer"]:
        raise InputProblem(f"a row of nq-open needs a list 'answer', not {row.get('answer')!r}; repair it")
    return {**row, "answer": row["answer"][0]}


@EVALUATORS.add("NQEvaluator")
def score(predictions: list[Any], references: list[Any]) -> Scored:
    """What follows ``answer is`` in the first line contains an accepted answer."""
    return score_containing(predictions, references, lambda line: line.split("answer is")[-1])
