"""Answers out of long texts: QASPER, NarrativeQA, TriviaQA with its evidence, DROP."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inference.evaluators import EVALUATORS, Scored, scored
from inference.loaders import LOADERS, Find, Row, Splits, parse_object, read_jsonl, read_text
from inference.metrics.words import words

_LONGEST = 100_000
"""Characters that OpenCompass reads of a story."""


@LOADERS.add("QASPERDataset")
def load_qasper(find: Find, path: str) -> Splits:
    """``qasper-dev-v0.3.json``: questions about papers that spans of the paper answer."""
    return {"dev": [row for paper in _papers(find, path) for row in _asked(paper, whole=True)]}


@LOADERS.add("QASPERCUTDataset")
def load_qasper_cut(find: Find, path: str) -> Splits:
    """The same, each paper from the first of the passages on that the answers rest on."""
    return {"dev": [row for paper in _papers(find, path) for row in _asked(paper, whole=False)]}


def _papers(find: Find, path: str) -> list[Any]:
    file = find(path) / "qasper-dev-v0.3.json"
    return list(parse_object(read_text(file), str(file)).values())


def _asked(paper: dict[str, Any], whole: bool) -> Iterator[Row]:
    sections = [f"{part['section_name'] or ''}\n" + "\n".join(part["paragraphs"]) + "\n" for part in paper["full_text"]]
    for question in paper["qas"]:
        answers = [span for each in question["answers"] for span in each["answer"]["extractive_spans"]]
        text = "\n".join(sections)
        start = 0 if whole else _start(text, question)
        if answers:
            yield {"answer": answers, "question": question["question"], "evidence": text[start:]}


def _start(text: str, question: dict[str, Any]) -> int:
    """Where the first passage stands that an answer rests on; 0 when one of them is not in the text."""
    places = [text.find(clue) for each in question["answers"] for clue in each["answer"]["evidence"]]
    return max(min(places, default=0), 0)


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


@LOADERS.add("TriviaQArcDataset")
def load_evidence(find: Find, path: str) -> Splits:
    """``qa/verified-{web,wikipedia}-dev.json``, each question with the first page that was found for it."""
    folder = find(path)
    web = [
        _evident(row, folder / "evidence/web", row["SearchResults"], row["Answer"]["HumanAnswers"])
        for row in _verified(folder, "web")
    ]
    wiki = [
        _evident(row, folder / "evidence/wikipedia", row["EntityPages"], []) for row in _verified(folder, "wikipedia")
    ]
    return {"dev": web + wiki}


def _verified(folder: Path, kind: str) -> list[Any]:
    file = folder / f"qa/verified-{kind}-dev.json"
    return list(parse_object(read_text(file), str(file))["Data"])


def _evident(row: dict[str, Any], folder: Path, pages: list[Any], more: list[str]) -> Row:
    evidence = read_text(folder / pages[0]["Filename"])[:_LONGEST] if pages else ""
    return {"answer": row["Answer"]["Aliases"] + more, "question": row["Question"], "evidence": evidence}


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


@LOADERS.add("DropOpenAIDataset")
def load_drop_lines(find: Find, path: str) -> Splits:
    """DROP as OpenAI's simple-evals has it: ``context`` and ``ref_text`` of each line."""
    rows = [{"prompt": row["context"], "answers": row["ref_text"]} for row in read_jsonl(find(path))]
    return {"validation": rows}


@EVALUATORS.add("DropOpenAIEvaluator")
def score_drop(predictions: list[Any], references: list[str]) -> Scored:
    """What follows ``Answer:`` (else all of it) holds one of the answers between ``|``, or is held by it."""
    details = []
    for prediction, reference in zip(predictions, references, strict=True):
        match = re.search(r"(?i)Answer\s*:\s*([^\n]+)", str(prediction))
        said = _words(match.group(1) if match else str(prediction))
        wanted = [_words(answer) for answer in reference.split("|")]
        correct = any((said in one or one in said) if said and one else said == one for one in wanted)
        details.append({"pred": prediction, "answer": reference, "correct": correct})
    return scored("accuracy", details)


def _words(text: str) -> str:
    return " ".join(words(text))
