"""Which metrics of a result count, and in which order (OpenCompass's DefaultSummarizer)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

# Both lists: DefaultSummarizer, `METRIC_WHITELIST` and `METRIC_BLACKLIST`.
FIRST = (
    "score",
    "auc_score",
    "accuracy",
    "humaneval_pass@1",
    "rouge1",
    "avg_toxicity_score",
    "bleurt_diff",
    "matthews_correlation",
    "truth",
    "f1",
    "exact_match",
    "extract_rate",
)
NEVER = ("bp", "sys_len", "ref_len", "type")


def pick(result: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a result that are metrics, the well-known ones first, others as the file has them.

    :param result: OpenCompass's result; one with ``error`` has no metrics.
    """
    if "error" in result:
        return {}
    numbers = {key: value for key, value in result.items() if isinstance(value, int | float) and key not in NEVER}
    return {name: numbers[name] for name in order(numbers)}


def order(names: Iterable[str]) -> list[str]:
    """Distinct names, the well-known ones first, others in the order given."""
    distinct = dict.fromkeys(names)
    return [name for name in FIRST if name in distinct] + [name for name in distinct if name not in FIRST]


_LOSSES = frozenset({"avg_toxicity_score"})
_LOSS_WORDS = frozenset(
    {"bpb", "cer", "error", "loss", "mae", "mse", "perplexity", "ppl", "rmse", "ter", "toxicity", "wer"}
)


def lower_is_better(name: str) -> bool:
    """Whether a metric gets worse by rising, as its name tells: perplexities, losses, error rates."""
    words = set(re.split(r"[^a-z]+", name.lower()))
    return name in _LOSSES or bool(words & _LOSS_WORDS) or {"bits", "byte"} <= words
