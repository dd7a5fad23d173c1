"""Texts of one item that have much in common, and the rows that a model reads to score them.

What they have in common is read once. Either every text has a row of its own, where texts that differ in their last
token alone share one; or all are one row, a trunk and its branches, and a mask keeps the branches apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

Ids = tuple[int, ...]
Text = TypeVar("Text", Ids, str)
Array = Any
"""A one-dimensional numpy array."""


@dataclass(frozen=True)
class Alternatives:
    """What the model is asked for one item; what is asked is all that the scores depend on.

    :param texts: token ids of each text.
    :param start: the first token that is scored, given all before it; so are all after it. At least 1.
    """

    texts: tuple[Ids, ...]
    start: int = 1


@dataclass(frozen=True)
class Surprises:
    """The scored tokens of one text.

    :param log_probs: float64, nats, of each token from ``start`` on.
    :param greedy: whether no other token was more probable there.
    """

    log_probs: Array
    greedy: Array

    def total(self, skip: int = 0) -> float:
        """The sum over all but the first ``skip`` scored tokens."""
        return float(self.log_probs[skip:].sum())

    def is_greedy(self, skip: int = 0) -> bool:
        """Whether a greedy continuation would have been all of these tokens."""
        return bool(self.greedy[skip:].all())


@dataclass(frozen=True)
class Row:
    """What is fed to the model in one line of a batch, and what is wanted of it.

    :param ids: token ids of the trunk, then of each branch.
    :param trunk: tokens of the trunk.
    :param branches: tokens of each branch; empty when the row is one text from left to right.
    :param places: int64, where in the row a next token is wanted.
    :param targets: int64, which one.
    :param readings: for each text, which of these are its scored tokens, in order.
    """

    ids: Ids
    trunk: int
    branches: tuple[int, ...]
    places: Array
    targets: Array
    readings: tuple[Array, ...]

    def __len__(self) -> int:
        return len(self.ids)


def rows_of(item: Alternatives, cached: int, *, as_tree: bool) -> list[tuple[Row, list[int]]]:
    """The rows of an item, each with the numbers of the texts it scores; texts with nothing to score have none.

    :param cached: tokens at the beginning of all texts that are read elsewhere; the first one after them is not scored
        here. At most two fewer than each text has, and fewer than ``start`` only where somebody else scores the rest.
    :param as_tree: make one row.
    """
    scored = [number for number, text in enumerate(item.texts) if len(text) > max(item.start, 1)]
    groups: dict[Ids, list[int]] = {}
    for number in scored:
        text = item.texts[number]
        groups.setdefault(() if as_tree else text[:-1], []).append(number)
    return [(_row([item.texts[n] for n in group], item.start, cached), group) for group in groups.values()]


def tokens_of(item: Alternatives, *, as_tree: bool) -> int:
    """Tokens of the item's rows, told without making them."""
    inputs = {text[:-1] for text in item.texts if len(text) > max(item.start, 1)}
    if not as_tree or not inputs:
        return sum(map(len, inputs))
    trunk = common_length(list(inputs))
    return trunk + sum(len(ids) - trunk for ids in inputs)


def common_length(texts: Sequence[Text]) -> int:
    """How many tokens, or characters, all texts begin with alike."""
    first, last = min(texts), max(texts)  # all others lie between them
    alike, end = 0, min(len(first), len(last))
    while alike < end:
        middle = (alike + end + 1) // 2
        if first[alike:middle] == last[alike:middle]:
            alike = middle
        else:
            end = middle - 1
    return alike


def _row(texts: list[Ids], start: int, cached: int) -> Row:
    inputs = [text[cached:-1] for text in texts]
    trunk = common_length(inputs)
    longer = list(dict.fromkeys(ids[trunk:] for ids in inputs if len(ids) > trunk))
    if len(longer) == 1:  # then it is no branch but the trunk's own end
        places = {longer[0]: trunk}
        ids = inputs[0][:trunk] + longer[0]
    else:
        places, ids = {}, inputs[0][:trunk]
        for branch in longer:
            places[branch] = len(ids)
            ids += branch
    branches = tuple(map(len, longer)) if len(longer) > 1 else ()
    return Row(ids, trunk if branches else len(ids), branches, *_reads(texts, start, cached, trunk, places))


def _reads(
    texts: list[Ids], start: int, cached: int, trunk: int, places: dict[Ids, int]
) -> tuple[Array, Array, tuple[Array, ...]]:
    """Where next tokens are wanted: once in the trunk, and in each text's own part.

    :param places: of each branch in the row, by its tokens.
    """
    first = max(start - 1 - cached, 0)
    shared = np.arange(first, max(trunk - 1, first))
    all_places, all_targets = [shared], [np.array(texts[0][cached : cached + trunk], np.int64)[shared + 1]]
    count, readings = len(shared), []
    for text in texts:
        branch = text[cached + trunk : -1]
        own = np.array([trunk - 1, *range(places.get(branch, 0), places.get(branch, 0) + len(branch))], np.int64)
        targets = np.array(text[cached + trunk :], np.int64)
        skipped = max(start - cached - trunk, 0)
        own, targets = own[skipped:], targets[skipped:]
        readings.append(np.concatenate([np.arange(len(shared)), np.arange(count, count + len(own))]))
        all_places.append(own)
        all_targets.append(targets)
        count += len(own)
    return np.concatenate(all_places), np.concatenate(all_targets), tuple(readings)
