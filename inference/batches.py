"""Which items are answered together: the same batches whatever was answered before.

Padding changes the last bits of a row (1.5e-7 in the logits of a tiny float32 Llama when 40 tokens are padded
to 49), so batches are planned over all items of a part. A resumed part runs its unfinished batches with the
same rows and the same width, and its answers are those of an undisturbed run, byte for byte.

Where the device has too little memory for a batch, the batch stays and its rows are computed in pieces, all padded to
the batch's width. Only what is sampled differs then, because a draw depends on the rows drawn with it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

from opencompass_ops.contract import variables

Item = TypeVar("Item")


def plan_batches(lengths: Sequence[int], rows: Sequence[int], budget: int) -> list[tuple[int, ...]]:
    """Item numbers grouped by length, longest first (an overflow of memory shows at once).

    :param lengths: tokens of each item's longest row.
    :param rows: rows each item needs (1 for generation, one per label for ranking).
    :param budget: rows a batch may hold; an item that needs more has a batch of its own.
    """
    order = sorted(range(len(lengths)), key=lambda item: (-lengths[item], item))
    batches: list[tuple[int, ...]] = []
    batch: list[int] = []
    held = 0
    for item in order:
        if batch and held + rows[item] > budget:
            batches.append(tuple(batch))
            batch, held = [], 0
        batch.append(item)
        held += rows[item]
    if batch:
        batches.append(tuple(batch))
    return batches


def plan_by_tokens(lengths: Sequence[int], rows: Sequence[int], budget: int) -> list[tuple[int, ...]]:
    """Item numbers grouped by length, longest first, as many as fit into ``budget`` when all are padded to the first.

    :param lengths: tokens of each item's longest row.
    :param rows: rows each item needs.
    :param budget: padded tokens a batch may hold; an item that needs more has a batch of its own.
    """
    order = sorted(range(len(lengths)), key=lambda item: (-lengths[item], item))
    batches: list[tuple[int, ...]] = []
    batch: list[int] = []
    held = 0
    for item in order:
        if batch and (held + rows[item]) * lengths[batch[0]] > budget:
            batches.append(tuple(batch))
            batch, held = [], 0
        batch.append(item)
        held += rows[item]
    return [*batches, tuple(batch)] if batch else batches


def rows_at_once(budget: int) -> int:
    """Rows the device computes at once: all of a batch, or fewer after it ran out of memory.

    :param budget: rows a batch may hold.
    """
    return max(1, int(budget * float(os.environ.get(variables.BATCH_SCALE) or 1)))


def pieces(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """The items in order, at most ``size`` in each piece."""
    return [items[start : start + size] for start in range(0, len(items), size)]
