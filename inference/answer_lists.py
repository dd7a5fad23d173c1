"""Questions with several accepted answers: read from tables, and found in what a model says."""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inference.evaluators import Scored, scored
from inference.loaders import Row, read_text
from inference.postprocess import general
from inference.problems import InputProblem


def read_answers(file: Path, only_first: bool) -> list[Row]:
    """Tab-separated ``question`` and a Python list of ``answer``.

    :param only_first: whether the first answer stands for all.
    :raises InputProblem: the file cannot be read, or a line is something else.
    """
    reader = csv.reader(io.StringIO(read_text(file), newline=""), delimiter="\t")
    rows = []
    for row in reader:
        where = f"{file}:{reader.line_num}"
        if len(row) != 2:
            raise InputProblem(
                f"{where}: a question and its answers are wanted, not {len(row)} fields; repair the line"
            )
        answers = _answers(row[1], where)
        rows.append({"question": row[0], "answer": answers[0] if only_first else answers})
    return rows


def _answers(text: str, where: str) -> list[str]:
    try:
        answers = ast.literal_eval(text)  # OpenCompass evaluates it; a list of strings is all that may stand there
    except (ValueError, SyntaxError) as error:
        raise InputProblem(f"{where}: {text[:80]!r} is no list of answers; repair the line") from error
    if not isinstance(answers, list) or not answers or not all(isinstance(answer, str) for answer in answers):
        raise InputProblem(f"{where}: {text[:80]!r} is no list of answers; repair the line")
    return answers


def score_containing(predictions: list[Any], references: list[Any], spoken: Callable[[str], str]) -> Scored:
    """Correct is what contains one of the accepted answers, both sides reduced to their words.

    :param spoken: what is left of the first line of a prediction, in lower case, before it is reduced.
    """
    details = []
    for prediction, reference in zip(predictions, references, strict=True):
        said = general(spoken(str(prediction).strip().split("\n")[0].lower()))
        accepted = [general(str(answer)).lower() for answer in reference]
        details.append({"pred": said, "answer": accepted, "correct": any(answer in said for answer in accepted)})
    return scored("score", details)
