"""CommonsenseQA, its Chinese translation, and OpenBookQA."""

from __future__ import annotations

from inference.loaders import LOADERS, Find, Row, Splits, like_the_first, read_jsonl
from inference.sources import CORE, add_source

add_source("opencompass/commonsense_qa", "data/commonsenseqa", archive="commonsenseqa.zip")
add_source("opencompass/openbookqa_test", "data/openbookqa/Main/test.jsonl", archive=CORE)
add_source("opencompass/openbookqa_fact", "data/openbookqa/Additional/test_complete.jsonl", archive=CORE)


@LOADERS.add("commonsenseqaDataset")
def load(find: Find, path: str) -> Splits:
    """``question``, the choices as ``A`` to ``E`` and ``answerKey``."""
    folder = find(path)
    return {
        "train": [_question(row) for row in read_jsonl(folder / "train_rand_split.jsonl")],
        "validation": [_question(row) for row in read_jsonl(folder / "dev_rand_split.jsonl")],
    }


def _question(row: Row) -> Row:
    texts = [choice["text"] for choice in row["question"]["choices"]]
    choices = {letter: texts[number] for number, letter in enumerate("ABCDE")}
    return {"question": row["question"]["stem"], **choices, "answerKey": row["answerKey"]}


@LOADERS.add("CommonsenseQADataset_CN")
def load_chinese(find: Find, path: str) -> Splits:
    """The validation file's rows, which serve as ``train`` too; the choices as ``A`` to ``E``."""
    rows = []
    for row in like_the_first(read_jsonl(find(path))):
        texts = row["choices"]["text"]
        kept = {key: value for key, value in row.items() if key not in ("question_concept", "id", "choices")}
        rows.append({**kept, **{letter: texts[number] for number, letter in enumerate("ABCDE")}})
    return {"train": rows, "validation": rows}


@LOADERS.add("OBQADataset")
def load_open_book(find: Find, path: str, *, name: str = "main") -> Splits:
    """The choices as ``A`` to ``D``, ``question_stem``, ``answerKey`` and, where the file has it, ``fact1``.

    :param name: of the subset; the path alone decides.
    """
    return like_the_first([_stem(row, row["question"]["stem"]) for row in read_jsonl(find(path))])


@LOADERS.add("OBQADatasetV2")
def load_open_questions(find: Find, path: str, *, name: str = "main") -> Splits:
    """As ``OBQADataset``; a stem that is no question ends with ``what?``."""
    rows = read_jsonl(find(path))
    stems = [row["question"]["stem"] for row in rows]
    asked = [stem if stem.endswith("?") else f"{stem} what?" for stem in stems]
    return like_the_first([_stem(row, question) for row, question in zip(rows, asked, strict=True)])


def _stem(row: Row, stem: str) -> Row:
    choices = {letter: row["question"]["choices"][number]["text"] for number, letter in enumerate("ABCD")}
    fact = {"fact1": row["fact1"]} if "fact1" in row else {}
    return {**choices, "question_stem": stem, "answerKey": row["answerKey"], **fact}
