"""``python -m inference repeats``: looks through a run's answers for repetition, where tokenizers lie."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

from inference.identity import located_if_there
from inference.repetition import Answer, Tokenize, abnormal, analyse, read_answers


def main_repeats() -> int:
    """Answer the question on stdin with a report on stdout; what is wrong with one model stands in it.

    The question: ``run_dir``, ``data_dir``, ``models`` (configs), and ``pairs`` with ``model``, ``benchmark`` and the
    ``paths`` of its prediction files below the run directory.
    """
    with redirect_stdout(sys.stderr):
        found = report(json.loads(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(json.dumps(found, ensure_ascii=False).encode())
    return 0


def report(question: dict[str, Any]) -> dict[str, Any]:
    """Statistics by dataset and the answers that repeat themselves, under OpenCompass's names."""
    tokenizers, unreadable = _tokenizers(question["models"], question["data_dir"])
    by_benchmark: dict[str, list[Answer]] = {}
    missing: list[dict[str, str]] = []
    for pair in question["pairs"]:
        paths = [Path(question["run_dir"], path) for path in pair["paths"]]
        names = {"model": pair["model"], "benchmark": pair["benchmark"]}
        missing += [{**names, "path": str(path)} for path in paths if not path.is_file()]
        if pair["model"] in tokenizers:
            answers = by_benchmark.setdefault(pair["benchmark"], [])
            there = [path for path in paths if path.is_file()]
            answers += [one for path in there for one in read_answers(pair["model"], pair["benchmark"], path)]
    statistics = {name: analyse(answers, tokenizers) for name, answers in by_benchmark.items() if answers}
    everything = [answer for answers in by_benchmark.values() for answer in answers]
    signs = abnormal(everything)
    return {
        "summary": {
            "model": question["models"][0]["abbr"],
            "num_benchmarks": len(statistics),
            "num_samples": len(everything),
            "num_missing_prediction_files": len(missing),
            "num_repeat_analysis_skipped": sum(answer.skipped for answer in everything),
            "abnormal_counts": {sign: len(found) for sign, found in signs.items()},
        },
        "missing_prediction_files": missing,
        "models_without_tokenizer": unreadable,
        "benchmark_stats": statistics,
        "abnormal_samples": signs,
    }


def _tokenizers(models: Sequence[dict[str, Any]], data_dir: str) -> tuple[dict[str, Tokenize], dict[str, str]]:
    """By model, its tokenizer, or why there is none; nothing is downloaded."""
    found: dict[str, Tokenize] = {}
    problems: dict[str, str] = {}
    for config in models:
        place = located_if_there(config, data_dir)
        try:
            found[config["abbr"]] = _open(str(place.get("tokenizer_path") or place.get("path") or ""))
        except Exception as error:  # a tokenizer is a program of the model's author; it raises what it likes
            problems[config["abbr"]] = " ".join(str(error).split())[:300]
    return found, problems


@cache
def _open(path: str) -> Tokenize:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)

    def tokens(text: str) -> Sequence[str]:
        words: list[str] = tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=True).input_ids)
        return words

    return tokens
