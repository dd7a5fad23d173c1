"""Answers that loop, that do not, and in between; and a tokenizer of words that both sides can load."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

MODELS = ("one", "two")
BENCHMARKS = ("loops", "lengths", "short")


def write_tokenizer(folder: Path) -> None:
    """Words and spaces are tokens; no two versions of a library differ about it."""
    folder.mkdir(parents=True)
    words = {"<unk>": 0, **{f"w{number}": number + 1 for number in range(200)}}
    (folder / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"},
    }))  # fmt: skip
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"})
    )


def write_predictions(work_dir: Path) -> None:
    """Prediction files of every model and benchmark; one model's last benchmark is missing."""
    rng = random.Random(7)
    for model in MODELS:
        for benchmark in BENCHMARKS:
            if (model, benchmark) == ("two", "short"):
                continue
            entries = {str(number): _entry(rng, benchmark, number) for number in range(24)}
            file = work_dir / "predictions" / model / f"{benchmark}.json"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(entries))


def _entry(rng: random.Random, benchmark: str, number: int) -> dict[str, Any]:
    text = _words(rng, rng.randint(5, 400 if benchmark != "short" else 60))
    if number % 6 == 0:
        loop = _words(rng, rng.choice([1, 3, 7, 40]))
        text += (" " + loop) * rng.choice([18, 25, 60, 300])
    if number % 11 == 0:
        text = "".join(rng.choice("ab") for _ in range(3)) * 4000
    answer: dict[str, Any] = {"origin_prompt": "?", "prediction": text}
    if benchmark == "lengths":
        answer["res_length"] = len(text.split())
        if number == 5:
            answer |= {"prediction": [text, text], "res_length": [3, 4]}
    return answer


def _words(rng: random.Random, count: int) -> str:
    return " ".join(f"w{rng.randrange(200)}" for _ in range(count))
