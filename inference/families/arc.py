"""ARC: science questions for schools, easy and challenging."""

from __future__ import annotations

from inference.loaders import LOADERS, Find, Row, Splits, read_contamination, read_jsonl
from inference.sources import add_source

add_source("opencompass/ai2_arc-dev", "data/ARC/ARC-c/ARC-Challenge-Dev.jsonl", archive="ARC.zip")
add_source("opencompass/ai2_arc-test", "data/ARC/ARC-c/ARC-Challenge-Test.jsonl", archive="ARC.zip")
add_source("opencompass/ai2_arc-easy-dev", "data/ARC/ARC-e/ARC-Easy-Dev.jsonl", archive="ARC.zip")

_CONTAMINATION = "https://github.com/liyucheng09/Contamination_Detector/releases/download/v0.1.1rc/ARC_annotations.json"


@LOADERS.add("ARCDataset")
def load(find: Find, path: str, *, name: str) -> Splits:
    """Questions with exactly four choices, ``textA`` to ``textD``; ``answerKey`` is A to D by position.

    :param name: of the subset; the path alone decides.
    """
    return [_question(row) for row in _of_four(find, path)]


@LOADERS.add("ARCDatasetClean")
def load_annotated(find: Find, path: str, *, name: str) -> Splits:
    """As ``ARCDataset``; ``is_clean`` says whether the question was found in training data."""
    file = find(path).parent / "ARC_c_test_contamination_annotations.json"
    known = read_contamination(file, _CONTAMINATION)
    return [
        {**_question(row), "is_clean": known[row["id"]][0] if row["id"] in known else "not labeled"}
        for row in _of_four(find, path)
    ]


def _of_four(find: Find, path: str) -> list[Row]:
    return [row for row in read_jsonl(find(path)) if len(row["question"]["choices"]) == 4]


def _question(row: Row) -> Row:
    choices = row["question"]["choices"]
    right = [choice["label"] for choice in choices].index(row["answerKey"])
    texts = {f"text{letter}": choice["text"] for letter, choice in zip("ABCD", choices, strict=True)}
    return {"question": row["question"]["stem"], "answerKey": "ABCD"[right], **texts}
