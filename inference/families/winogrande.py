"""WinoGrande: whom or what a gap stands for."""

from __future__ import annotations

from pathlib import Path

from inference.loaders import LOADERS, Find, Row, Splits, read_jsonl
from inference.sources import add_source

add_source("opencompass/winogrande", "data/winogrande", archive="winogrande.zip")


@LOADERS.add("WinograndeDataset")
def load_numbers(find: Find, path: str) -> Splits:
    """The sentence with either option, what follows the gap (``cont``) and ``answer``, "1" or "2"."""
    return [_sentence(row, row["answer"]) for row in read_jsonl(find(path) / "dev.jsonl")]


@LOADERS.add("WinograndeDatasetV2")
def load_letters(find: Find, path: str) -> Splits:
    """As ``WinograndeDataset`` with ``answer`` A or B; NULL where it is not published."""
    return _lettered(find(path) / "dev.jsonl")


@LOADERS.add("WinograndeDatasetV3")
def load_with_examples(find: Find, path: str) -> Splits:
    """As ``WinograndeDatasetV2``, and the split ``train_xs``."""
    return {split: _lettered(find(path) / f"{split}.jsonl") for split in ("train_xs", "dev")}


def _lettered(file: Path) -> list[Row]:
    return [_sentence(row, " AB"[int(row["answer"])] if row["answer"] else "NULL") for row in read_jsonl(file)]


def _sentence(row: Row, answer: str) -> Row:
    text, first, second = row["sentence"], row["option1"], row["option2"]
    return {
        "prompt": text,
        "only_option1": first,
        "only_option2": second,
        "opt1": text.replace("_", first),
        "opt2": text.replace("_", second),
        "answer": answer,
        "cont": text.split("_")[1],
    }
