"""Social IQa: what people would do, think or feel; three answers."""

from __future__ import annotations

from collections.abc import Callable

from inference.loaders import LOADERS, Find, Row, Splits, read_labelled
from inference.sources import CORE, add_source

add_source("opencompass/siqa", "data/siqa", archive=CORE)


@LOADERS.add("siqaDataset")
def load_numbers(find: Find, path: str) -> Splits:
    """The file's columns and ``label``, 1 to 3."""
    return _load(find, path, lambda row, label: {**row, "label": label})


@LOADERS.add("siqaDataset_V2")
def load_candidates(find: Find, path: str) -> Splits:
    """``label`` as a letter, and ``all_labels`` with three ways to say each answer (for ``EDAccEvaluator``)."""

    def change(row: Row, label: int) -> Row:
        candidates = [[f"{letter}. {row[f'answer{letter}']}", letter, row[f"answer{letter}"]] for letter in "ABC"]
        return {**row, "all_labels": {"candidates": candidates, "label": label - 1}, "label": " ABC"[label]}

    return _load(find, path, change)


@LOADERS.add("SiqaDatasetV3")
def load_letters(find: Find, path: str) -> Splits:
    """The answers as ``A`` to ``C``, and the letter of the right one as ``answer``."""

    def change(row: Row, label: int) -> Row:
        answers = {letter: row.pop(f"answer{letter}") for letter in "ABC"}
        return {**row, **answers, "answer": "ABC"[label - 1]}

    return _load(find, path, change)


def _load(find: Find, path: str, change: Callable[[Row, int], Row]) -> Splits:
    folder = find(path)
    return {
        split: [
            change(row, int(label))
            for row, label in read_labelled(folder / f"{stem}.jsonl", folder / f"{stem}-labels.lst")
        ]
        for split, stem in (("train", "train"), ("validation", "dev"))
    }
