"""R-Bench and Earth-Silver: graduate questions of many fields, and of the earth sciences."""

from __future__ import annotations

from typing import Any

from inference.hub import read_hub
from inference.loaders import LOADERS, Find, Splits
from inference.problems import InputProblem
from inference.sources import add_source

add_source("R-Bench/R-Bench", "data/R-Bench", hub="R-Bench/R-Bench")
add_source("ai-earth/Earth-Silver", "data/Earth-Silver", hub="ai-earth/Earth-Silver")


@LOADERS.add("RBenchDataset")
def load(find: Find, path: str, *, subset: str = "en", **ignored: Any) -> Splits:
    """The questions in English or Chinese with six choices.

    :param subset: ``en`` or ``zh``.
    """
    return [
        {
            "RBench_Question_Input": row["question"],
            **{f"RBench_Option_{letter}": row[letter] for letter in "ABCDEF"},
            "target": row["answer"],
        }
        for row in read_hub(find, path, f"rbench-t_{subset}")["test"]
    ]


@LOADERS.add("Earth_Silver_MCQDataset")
def load_earth(find: Find, path: str, *, prompt_mode: str = "zero-shot", **ignored: Any) -> Splits:
    """The multiple-choice questions as the hub has them.

    :param prompt_mode: only ``zero-shot``.
    """
    if prompt_mode != "zero-shot":
        raise InputProblem(f"prompt_mode is {prompt_mode!r}; only 'zero-shot' is known, as in OpenCompass")
    return read_hub(find, path)["multiple_choice"]
