"""How likely one of k answers is right, estimated from n answers of which c are.

- pass@k: Chen et al., "Evaluating Large Language Models Trained on Code" (arXiv 2107.03374), equation 1.
- G-Pass@k and mG-Pass@k: Liu et al., "Are Your LLMs Capable of Stable Reasoning?" (arXiv 2412.13147),
  equations 3 to 6: at least a share of the k answers is right.
"""

from __future__ import annotations

import math
from typing import Any


def pass_at_k(n: int, c: int, k: int) -> float:
    """The probability that of k answers drawn from n at least one is right.

    :param c: right answers among the n.
    """
    return 1.0 - math.comb(n - c, k) / math.comb(n, k) if k <= n else 1.0


def at_least(n: int, c: int, k: int, m: int) -> float:
    """The probability that of k answers drawn from n at least m are right (hypergeometric)."""
    if k > n or m > min(c, k):
        return 0.0
    ways = sum(math.comb(c, right) * math.comb(n - c, k - right) for right in range(m, min(c, k) + 1))
    return ways / math.comb(n, k)


def g_pass_at_k(n: int, c: int, k: int, threshold: float) -> float:
    """The probability that at least the share ``threshold`` of k drawn answers is right, and at least one."""
    return at_least(n, c, k, max(math.ceil(k * threshold), 1))


def mg_pass_at_k(n: int, c: int, k: int) -> float:
    """G-Pass@k averaged over the thresholds above one half."""
    return 2 / k * sum(at_least(n, c, k, m) for m in range(math.ceil(k * 0.5) + 1, k + 1))


def percentages(tasks: dict[str, list[bool]], wanted: Any) -> list[tuple[str, float]]:
    """``pass@k`` in percent over tasks, of each wanted k that no task has fewer answers than."""
    counts = [wanted] if isinstance(wanted, int) else list(wanted)
    fewest = min(map(len, tasks.values()))
    return [
        (f"pass@{k}", 100 * sum(pass_at_k(len(each), sum(each), k) for each in tasks.values()) / len(tasks))
        for k in counts
        if k <= fewest
    ]
