"""SuperGLUE: the tasks with loaders of their own."""

from __future__ import annotations

from typing import Any

from inference.families.huggingface import read_changed
from inference.loaders import LOADERS, Find, Row, Splits, chosen, like_the_first, read_jsonl
from inference.postprocess import POSTPROCESSORS
from inference.problems import InputProblem
from inference.sources import add_source

add_source("opencompass/boolq", "data/SuperGLUE/BoolQ/val.jsonl", archive="SuperGLUE.zip")
add_source("opencompass/super_glue", "data/SuperGLUE", archive="SuperGLUE.zip")

_TRUE_OR_FALSE = {"true": "A", "false": "B"}


@LOADERS.add("BoolQDataset")
def load_boolq(find: Find, path: str = "json", **options: Any) -> Splits:
    """Rows of a JSON lines file, and ``answer``: 1 where the label is true, else 0."""
    return read_changed(find, path, options, _with_answer)


@LOADERS.add("BoolQDatasetV2")
def load_boolq_letters(find: Find, path: str) -> Splits:
    """``label`` is A for true and B for false."""
    return _lettered(find, path, _TRUE_OR_FALSE)


@LOADERS.add("BoolQDatasetV3")
def load_boolq_questions(find: Find, path: str) -> Splits:
    """Passages without their title (before the first `` -- ``), questions with a capital letter."""

    def change(row: Row) -> Row:
        passage = " -- ".join(row["passage"].split(" -- ")[1:])
        return {**row, "passage": passage, "question": row["question"][0].upper() + row["question"][1:]}

    return like_the_first([change(row) for row in read_jsonl(find(path))])


@LOADERS.add("AXDatasetV2")
def load_entailment(find: Find, path: str) -> Splits:
    """AX-b, AX-g and RTE: ``label`` is A for entailment."""
    return _lettered(find, path, {"entailment": "A", "not_entailment": "B"})


@LOADERS.add("CBDatasetV2")
def load_cb(find: Find, path: str) -> Splits:
    """``label`` is A for contradiction, B for entailment, C for neutral."""
    return _lettered(find, path, {"contradiction": "A", "entailment": "B", "neutral": "C"})


@LOADERS.add("COPADatasetV2")
def load_copa(find: Find, path: str) -> Splits:
    """``label`` is A or B."""
    return _lettered(find, path, {"0": "A", "1": "B"})


@LOADERS.add("WiCDataset")
def load_wic(find: Find, path: str = "json", **options: Any) -> Splits:
    """Rows of a JSON lines file, and ``answer``: 1 where the label is true, else 0."""
    return read_changed(find, path, options, _with_answer)


@LOADERS.add("WiCDatasetV2")
def load_wic_letters(find: Find, path: str) -> Splits:
    """``label`` is A for true and B for false."""
    return _lettered(find, path, _TRUE_OR_FALSE)


@LOADERS.add("WSCDataset")
def load_wsc(find: Find, path: str = "json", **options: Any) -> Splits:
    """``new_text`` has the noun in the pronoun's place; ``answer`` is 1 where that is right; the spans' texts."""

    def change(row: Row) -> Row:
        target, words = row["target"], row["text"].split(" ")
        if " " in target["span2_text"]:
            raise InputProblem(f"the pronoun {target['span2_text']!r} of a WSC row is more than a word; check the data")
        words[target["span2_index"]] = target["span1_text"]
        kept = {column: value for column, value in _with_answer(row).items() if column not in ("target", "answer")}
        spans = {"span1": target["span1_text"], "span2": target["span2_text"]}
        return {**kept, "new_text": " ".join(words), "answer": _with_answer(row)["answer"], **spans}

    return read_changed(find, path, options, change)


@LOADERS.add("WSCDatasetV2")
def load_wsc_letters(find: Find, path: str) -> Splits:
    """The spans' texts, ``text``, and ``label``: A for true and B for false."""
    return [_spans(row, row["text"]) for row in read_jsonl(find(path))]


@LOADERS.add("WSCDatasetV3")
def load_wsc_marked(find: Find, path: str) -> Splits:
    """As ``WSCDatasetV2``, the noun marked by stars and the pronoun by hashes."""
    return [_spans(row, _marked(row)) for row in read_jsonl(find(path))]


def _spans(row: Row, text: str) -> Row:
    target, label = row["target"], chosen(_TRUE_OR_FALSE, row["label"])
    return {"span1": target["span1_text"], "span2": target["span2_text"], "text": text, "label": label}


def _marked(row: Row) -> str:
    """The text with each span's words replaced by its text between marks; the first span wins where they overlap."""
    target = row["target"]
    words: list[str | None] = list(row["text"].split(" "))
    for span, mark in (("span2", "#"), ("span1", "*")):
        start, text = target[f"{span}_index"], target[f"{span}_text"]
        stop = min(start + len(text.split(" ")), len(words))
        words[start:stop] = [f"{mark} {text} {mark}", *[None] * (stop - start - 1)] if start < len(words) else []
    return " ".join(word for word in words if word is not None)


@LOADERS.add("MultiRCDataset")
def load_multirc(find: Find, path: str) -> Splits:
    """A row for each answer: ``text``, ``question``, ``answer`` and ``label``, 1 where it is right."""
    return _answers(find, path)


@LOADERS.add("MultiRCDatasetV2")
def load_multirc_letters(find: Find, path: str) -> Splits:
    """As ``MultiRCDataset``, ``label`` A where it is right, else B."""
    return [{**row, "label": "BA"[row["label"]]} for row in _answers(find, path)]


def _answers(find: Find, path: str) -> list[Row]:
    return [
        {"text": row["passage"]["text"], "question": asked["question"], "answer": said["text"], "label": said["label"]}
        for row in read_jsonl(find(path))
        for asked in row["passage"]["questions"]
        for said in asked["answers"]
    ]


@LOADERS.add("ReCoRDDataset")
def load_record(find: Find, path: str) -> Splits:
    """A row for each query, its placeholder a line: ``text``, ``question`` and ``answers``."""
    return _queries(find, path)


@LOADERS.add("ReCoRDDatasetV2")
def load_record_compact(find: Find, path: str) -> Splits:
    """As ``ReCoRDDataset``, paragraphs without an empty line between them."""
    return [{**row, "text": row["text"].replace("\n\n", "\n")} for row in _queries(find, path)]


def _queries(find: Find, path: str) -> list[Row]:
    return [
        {
            "text": row["passage"]["text"].replace("@highlight", ""),
            "question": asked["query"].replace("@placeholder", "____"),
            "answers": [answer["text"] for answer in asked["answers"]],
        }
        for row in read_jsonl(find(path))
        for asked in row["qas"]
    ]


@POSTPROCESSORS.add("ReCoRD", "ReCoRD_postprocess")
def first_line(text: str) -> str:
    """The first line without ``Answer: ``."""
    return text.strip().split("\n")[0].replace("Answer: ", "").strip()


def _lettered(find: Find, path: str, letters: dict[str, str]) -> list[Row]:
    return like_the_first([{**row, "label": chosen(letters, row["label"])} for row in read_jsonl(find(path))])


def _with_answer(row: Row) -> Row:
    return {**row, "answer": int(row["label"] in ("true", True))}
