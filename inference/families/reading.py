"""Answers out of long texts: QASPER, NarrativeQA, DROP."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inference.loaders import LOADERS, Find, Row, Splits, parse_object, read_text
from inference.sources import add_source

add_source("./data/QASPER/", "data/QASPER", archive="QASPER.zip")
add_source("./data/narrativeqa/", "data/narrativeqa", archive="narrativeqa.zip")

_LONGEST = 100_000
"""Characters that OpenCompass reads of a story."""


@LOADERS.add("QASPERDataset")
def load_qasper(find: Find, path: str) -> Splits:
    """``qasper-dev-v0.3.json``: questions about papers that spans of the paper answer."""
    file = find(path) / "qasper-dev-v0.3.json"
    return {"dev": [row for paper in parse_object(read_text(file), str(file)).values() for row in _asked(paper)]}


def _asked(paper: dict[str, Any]) -> Iterator[Row]:
    sections = [f"{part['section_name'] or ''}\n" + "\n".join(part["paragraphs"]) + "\n" for part in paper["full_text"]]
    for question in paper["qas"]:
        answers = [span for each in question["answers"] for span in each["answer"]["extractive_spans"]]
        if answers:
            yield {"answer": answers, "question": question["question"], "evidence": "\n".join(sections)}


@LOADERS.add("NarrativeQADataset")
def load_stories(find: Find, path: str) -> Splits:
    """``qaps.csv`` and the stories beside it; a question whose story is not there is left out."""
    folder = find(path)
    splits: dict[str, list[Row]] = {"train": [], "valid": [], "test": []}
    records = csv.reader(io.StringIO(read_text(folder / "qaps.csv"), newline=""))
    for record in records:
        story = _story(folder / "tmp" / f"{record[0]}.content") if record[1] in splits else None
        if story is not None:
            splits[record[1]].append({"answer": [record[3], record[4]], "question": record[2], "evidence": story})
    return dict(splits)


def _story(file: Path) -> str | None:
    try:
        with file.open(encoding="utf-8") as stream:
            return stream.read(_LONGEST)
    except (FileNotFoundError, UnicodeDecodeError):
        return None


@LOADERS.add("dropDataset")
def load_drop(find: Find, path: str, *, only_number: bool = True) -> Splits:
    """Passages with questions whose answers are numbers, dates or spans.

    Of several answers OpenCompass keeps each once in any order; here in order of their first mention.

    :param only_number: leave out what no number answers.
    """
    file = find(path)
    passages = parse_object(read_text(file), str(file)).values()
    rows = [
        {"prompt": passage["passage"], "question": pair["question"], "answers": _answers(pair["validated_answers"])}
        for passage in passages
        for pair in passage["qa_pairs"]
        if not only_number or any(answer["number"] for answer in pair["validated_answers"])
    ]
    return {"validation": rows}


def _answers(validated: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    for answer in validated:
        date = [answer["date"].get(part, "") for part in ("day", "month", "year")]
        if answer["number"]:
            found.append(answer["number"])
        elif any(date):
            found.append(" ".join(date).strip())
        else:
            found += answer["spans"]
    return list(dict.fromkeys(found))
