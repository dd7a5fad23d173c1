"""TriviaQA: questions of quizzes, each with all the names its answer goes by."""

from __future__ import annotations

from typing import Any

from inference.answer_lists import read_answers, score_containing
from inference.evaluators import EVALUATORS, Scored
from inference.loaders import LOADERS, Find, Splits, like_the_first, read_jsonl
from inference.sources import add_source

add_source("opencompass/trivia_qa", "data/triviaqa", archive="triviaqa.zip")


@LOADERS.add("TriviaQADataset")
def load(find: Find, path: str) -> Splits:
    """``trivia-{dev,test}.qa.csv``; the test split keeps the first answer only."""
    return {split: read_answers(find(path) / f"trivia-{split}.qa.csv", split == "test") for split in ("dev", "test")}


@LOADERS.add("TriviaQADatasetV2")
def load_lines(find: Find, path: str) -> Splits:
    """``triviaqa-{validation,train}.jsonl``."""
    folder = find(path)
    return {split: like_the_first(read_jsonl(folder / f"triviaqa-{split}.jsonl")) for split in ("validation", "train")}


@LOADERS.add("TriviaQADatasetV3")
def load_file(find: Find, path: str) -> Splits:
    """One file of JSON lines."""
    return like_the_first(read_jsonl(find(path)))


@EVALUATORS.add("TriviaQAEvaluator")
def score(predictions: list[Any], references: list[Any]) -> Scored:
    """What follows ``answer is``, ``a:`` or ``answer:`` in the first line contains an accepted answer."""
    return score_containing(predictions, references, _spoken)


def _spoken(line: str) -> str:
    for lead in ("answer is", "a:", "answer:"):
        line = line.split(lead)[-1]
    return line.strip()
