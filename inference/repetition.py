"""Answers that repeat themselves: what OpenCompass 0.5.4's ``--analysis-repeat`` finds, with its names and thresholds.

Per dataset, over the answers of all models: only those at least as long in tokens as three quarters of all are looked
at, and of them the second half, where loops are. Two signs count. A **pattern**: 32 tokens that occur again and again,
more than 20 times, at intervals of which the two commonest make up 90 %. And **compression**: a text that gzip makes
forty times smaller.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

PATTERN_SIZE = 32
SAMPLES = 5
"""Places near the end from which patterns are taken."""
FEWEST = 20
CONCENTRATION = 0.9
COMPRESSION = 40.0

Tokenize = Callable[[str], Sequence[str]]


@dataclass(frozen=True)
class Pattern:
    """:param ratio: share of the tokens that the repetitions cover, times how regular they are; at most 1.
    :param text: the tokens, separated by spaces.
    """

    ratio: float = 0
    text: str = ""
    count: int = 0


@dataclass
class Answer:
    """One answer.

    :param path: of its prediction file.
    :param tokens: how long it is, as the prediction file or the tokenizer says.
    """

    model: str
    benchmark: str
    sample: str
    path: str
    text: str
    tokens: int | None
    pattern: Pattern = Pattern()
    compression: float = 0
    skipped: bool = True


def analyse(answers: Sequence[Answer], tokenize: Mapping[str, Tokenize]) -> dict[str, Any]:
    """Look at the answers of one dataset; returns its statistics, and marks the answers.

    :param tokenize: by model.
    """
    for answer in answers:
        if answer.tokens is None:
            answer.tokens = len(tokenize[answer.model](answer.text))
    lengths = sorted(answer.tokens or 0 for answer in answers)
    p75, p90 = (lengths[int(len(lengths) * share)] if lengths else 0 for share in (0.75, 0.90))
    for answer in answers:
        if (answer.tokens or 0) >= p75:
            tokens = tokenize[answer.model](answer.text)
            answer.pattern = find_pattern(tokens[len(tokens) // 2 :])
            answer.compression = compression(answer.text[len(answer.text) // 2 :])
            answer.skipped = False
    mean, deviation = _mean_and_deviation([answer.pattern.ratio for answer in answers])
    compressed, _ = _mean_and_deviation([answer.compression for answer in answers])
    length, _ = _mean_and_deviation(lengths)
    return {
        "sample_count": len(answers),
        "repeat_analysis_skipped": sum(answer.skipped for answer in answers),
        "length": {"mean": length, "p75": p75, "p90": p90, "repeat_analysis_threshold": p75},
        "repeat_pattern_ratio": {"mean": mean, "std": deviation, "threshold": FEWEST},
        "gzip_compression_ratio": {"mean": compressed, "threshold": COMPRESSION},
    }


def find_pattern(tokens: Sequence[str]) -> Pattern:
    """The pattern that covers most of the tokens; an empty one where none repeats."""
    total = len(tokens)
    if total < 2 * PATTERN_SIZE:
        return Pattern()
    windows = [tuple(tokens[at : at + PATTERN_SIZE]) for at in range(total - PATTERN_SIZE + 1)]
    places: dict[tuple[str, ...], list[int]] = {}
    for at, window in enumerate(windows):
        places.setdefault(window, []).append(at)
    best = Pattern()
    for at in _sampled(total):
        found = places[windows[at]]
        ratio = _regularity(found) * len(found) * PATTERN_SIZE / total
        if len(found) >= FEWEST and _regularity(found) >= CONCENTRATION and ratio > best.ratio:
            best = Pattern(ratio, " ".join(windows[at]), len(found))
    if not best.count:
        # OpenCompass shows the first sampled tokens where none repeats.
        start = _tail(total)
        return Pattern(0.0, " ".join(tokens[start : start + PATTERN_SIZE]), 0)
    return Pattern(min(best.ratio, 1.0), best.text, best.count)


def compression(text: str) -> float:
    """How many times smaller gzip makes it; 0 for an empty text."""
    raw = text.encode()
    return len(raw) / len(gzip.compress(raw)) if raw else 0


def _tail(total: int) -> int:
    return max(total // 2, total - PATTERN_SIZE * (SAMPLES + 1))


def _sampled(total: int) -> range:
    start = _tail(total)
    places = total - start - PATTERN_SIZE + 1
    return range(start, start + max(places, 0), max(1, places // SAMPLES))


def _regularity(places: Sequence[int]) -> float:
    """Share of the intervals between places that the two commonest have."""
    intervals = Counter(later - earlier for earlier, later in pairwise(places))
    return sum(count for _, count in intervals.most_common(2)) / len(places[1:]) if len(places) > 1 else 0.0


def _mean_and_deviation(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 0, 0
    mean = sum(values) / len(values)
    return mean, (sum((value - mean) ** 2 for value in values) / len(values)) ** 0.5


def read_answers(model: str, benchmark: str, path: Path) -> Iterator[Answer]:
    """The answers of a prediction file; several to one question are one text."""
    for sample, entry in json.loads(path.read_text(encoding="utf-8")).items():
        length = entry.get("res_length")
        tokens = sum(length) if isinstance(length, list) else length
        yield Answer(model, benchmark, str(sample), str(path), _text(entry.get("prediction", "")), tokens)


def _text(prediction: Any) -> str:
    if prediction is None:
        return ""
    if isinstance(prediction, list):
        return "\n".join(map(_text, prediction))
    if isinstance(prediction, dict):
        inside = prediction.get("prediction")
        return (
            json.dumps(prediction, ensure_ascii=False, sort_keys=True, default=str) if inside is None else _text(inside)
        )
    return str(prediction)


def abnormal(answers: Sequence[Answer]) -> dict[str, list[dict[str, Any]]]:
    """The answers that show a sign, by sign, as OpenCompass's report has them."""
    return {
        "repeat_pattern": [_shown(answer) for answer in answers if answer.pattern.count > FEWEST],
        "gzip_high_compression": [_shown(answer) for answer in answers if answer.compression > COMPRESSION],
    }


def _shown(answer: Answer) -> dict[str, Any]:
    pattern = {f"repeat_pattern_{key}": value for key, value in asdict(answer.pattern).items() if key != "text"}
    return {
        "model": answer.model,
        "benchmark": answer.benchmark,
        "sample_id": answer.sample,
        "prediction_path": answer.path,
        "length": answer.tokens,
        "repeat_analysis_skipped": answer.skipped,
        **pattern,
        "repeat_pattern": answer.pattern.text,
        "gzip_compression_ratio": answer.compression,
        "gzip_compression_threshold": COMPRESSION,
        "prediction": answer.text,
    }
