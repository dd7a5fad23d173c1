"""Scores all alternatives of a part: what they share is read once, and batches hold rows of about one length.

How much is shared is tried on some items before it is relied on: the same scores must come out as without sharing.
A list of model names would be wrong for the next model; attention with a window, ALiBi and state-space models are
found out this way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
import torch

from inference.alternatives import Alternatives, Ids, Row, Surprises, rows_of, tokens_of
from inference.batches import plan_by_tokens
from inference.forward import Prefix, read, read_prefix
from inference.prefixes import best_prefix
from inference.pressure import Pressure

_WORTH = 0.9
"""Sharing is used where it leaves at most this part of the tokens."""
_TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-6}
_COARSE_TOLERANCE = 0.05
"""Nats per token, by which scores may differ with and without sharing."""


@dataclass(frozen=True)
class Sharing:
    """What is read once.

    :param as_tree: all alternatives of an item are one row.
    :param prefix: the beginning of many items, None where each reads its own.
    """

    as_tree: bool = False
    prefix: Union[Prefix, None] = None

    def __str__(self) -> str:
        what = ["the alternatives of an item in one row"] * self.as_tree
        what += [f"a beginning of {len(self.prefix.ids)} tokens"] if self.prefix else []
        return " and ".join(what) or "equal rows only"


@dataclass(frozen=True)
class _Laid:
    """An item as rows.

    :param texts: for each row, which of the item's texts it scores.
    :param prefix: what stands before all its rows.
    """

    rows: tuple[Row, ...]
    texts: tuple[tuple[int, ...], ...]
    prefix: Union[Prefix, None]

    @property
    def length(self) -> int:
        return max(map(len, self.rows), default=0)


class Scorer:
    """The alternatives of all items of one part.

    :param model: a transformers causal language model.
    :param items: all of them; what is shared and which are computed together is decided once.
    :param budget: padded tokens of a batch.
    :param pressure: what the device has memory for.
    """

    def __init__(self, model: Any, items: Sequence[Alternatives], budget: int, pressure: Pressure) -> None:
        self._model = model
        self._items = items
        self._pressure = pressure
        self.token_count = 0
        self.sharing = self._choose()
        self._laid = [self._lay(item, self.sharing) for item in items]
        self.batches = self._plan(budget)

    def score(self, batch: Sequence[int]) -> list[list[Surprises]]:
        """Of each item of a batch, what its texts say."""
        return self._score([self._items[number] for number in batch], [self._laid[number] for number in batch])

    def _plan(self, budget: int) -> list[tuple[int, ...]]:
        """Items with and without the prefix are never computed together."""
        batches: list[tuple[int, ...]] = []
        for shares in (False, True):
            members = [n for n, laid in enumerate(self._laid) if (laid.prefix is not None) == shares]
            lengths = [self._laid[n].length for n in members]
            planned = plan_by_tokens(lengths, [len(self._laid[n].rows) for n in members], budget)
            batches += [tuple(members[place] for place in batch) for batch in planned]
        return batches

    def _score(self, items: Sequence[Alternatives], laid: Sequence[_Laid]) -> list[list[Surprises]]:
        rows = [row for each in laid for row in each.rows]
        width = max(map(len, rows), default=0)
        prefix = next((each.prefix for each in laid), None)
        before = prefix.cached if prefix else 0
        # What is remembered of the prefix takes memory again for every row.
        found = iter(self._pressure.compute(rows, width + before, lambda some: read(self._model, some, width, prefix)))
        self.token_count += sum(map(len, rows))
        return [self._of_item(item, each, found) for item, each in zip(items, laid, strict=True)]

    def _of_item(self, item: Alternatives, laid: _Laid, found: Iterator[list[Surprises]]) -> list[Surprises]:
        nothing = Surprises(np.empty(0), np.empty(0, bool))
        all_ = [nothing for _ in item.texts]
        for texts in laid.texts:
            for number, surprises in zip(texts, next(found), strict=True):
                all_[number] = _after(laid.prefix, item.start, surprises)
        return all_

    def _lay(self, item: Alternatives, sharing: Sharing) -> _Laid:
        prefix = sharing.prefix
        if prefix is not None and not _begins(item, prefix):
            prefix = None
        made = rows_of(item, prefix.cached if prefix else 0, as_tree=sharing.as_tree)
        return _Laid(tuple(row for row, _ in made), tuple(tuple(texts) for _, texts in made), prefix)

    def _choose(self) -> Sharing:
        """The first of all ways that save something that gives what sharing nothing gives."""
        prefix = self._worthy_prefix()
        plain, tree = (sum(tokens_of(item, as_tree=as_tree) for item in self._items) for as_tree in (False, True))
        ways = [(True, prefix), (False, prefix)] if prefix else []
        for as_tree, begins in [*ways, (True, ())]:
            if as_tree and tree > _WORTH * plain:
                continue
            found = self._agrees(as_tree, begins)
            if found is not None:
                return found
        return Sharing()

    def _worthy_prefix(self) -> Ids:
        texts = [text for item in self._items for text in item.texts[:1] if len(text) > 2]
        prefix = best_prefix(texts)
        saved = (len(prefix) - 1) * (sum(text[: len(prefix)] == prefix for text in texts) - 1)
        return prefix if len(prefix) > 1 and saved >= (1 - _WORTH) * sum(map(len, texts)) else ()

    def _agrees(self, as_tree: bool, begins: Ids) -> Union[Sharing, None]:
        """This way of sharing, where the longest item it changes and a middling one get the same scores."""
        try:
            sharing = Sharing(as_tree, read_prefix(self._model, begins) if begins else None)
            if begins and sharing.prefix is None:
                return None
            pairs = [(self._alone(item, Sharing()), self._alone(item, sharing)) for item in self._sample(sharing)]
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # a model that cannot share raises whatever its code meets first
            print(f"this model cannot share ({type(error).__name__}: {error})", flush=True)
            return None
        off = max((_difference(plain, shared) for plain, shared in pairs), default=math.inf)
        return sharing if off <= _TOLERANCE.get(self._model.dtype, _COARSE_TOLERANCE) else None

    def _alone(self, item: Alternatives, sharing: Sharing) -> list[Surprises]:
        (found,) = self._score([item], [self._lay(item, sharing)])
        return found

    def _sample(self, sharing: Sharing) -> list[Alternatives]:
        changed = [item for item in self._items if self._is_changed(item, sharing)]
        ordered = sorted(changed, key=lambda item: max(map(len, item.texts)))
        return [ordered[-1], ordered[len(ordered) // 2]] if ordered else []

    @staticmethod
    def _is_changed(item: Alternatives, sharing: Sharing) -> bool:
        if sharing.prefix is not None and not _begins(item, sharing.prefix):
            return False
        return not sharing.as_tree or tokens_of(item, as_tree=True) < tokens_of(item, as_tree=False)


def _begins(item: Alternatives, prefix: Prefix) -> bool:
    """Whether every text of an item begins with the prefix and goes on behind it."""
    length = len(prefix.ids)
    return all(len(text) > length and text[:length] == prefix.ids for text in item.texts)


def _after(prefix: Union[Prefix, None], start: int, surprises: Surprises) -> Surprises:
    """With those of the prefix's tokens that are scored."""
    if prefix is None or start > prefix.cached:
        return surprises
    skip = start - 1
    return Surprises(
        np.concatenate([prefix.surprises.log_probs[skip:], surprises.log_probs]),
        np.concatenate([prefix.surprises.greedy[skip:], surprises.greedy]),
    )


def _difference(some: Sequence[Surprises], others: Sequence[Surprises]) -> float:
    """The greatest difference of two scores of one text, per token."""
    pairs = zip(some, others, strict=True)
    return max((abs(one.total() - other.total()) / max(1, len(one.log_probs)) for one, other in pairs), default=0.0)
