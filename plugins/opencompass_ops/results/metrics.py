"""Which metrics of a result count, and in which order (OpenCompass's DefaultSummarizer)."""

from __future__ import annotations

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
