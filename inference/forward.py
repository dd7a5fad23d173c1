"""One forward pass over rows: which tokens would follow, and how probable those are that did.

Rows are padded on the right, where causal attention never looks from a real token: without branches no mask is needed,
and attention keeps its fast kernels. The output head runs on the wanted places only, by a hook before it, so that
whatever a model does to its logits (soft caps, scales) still happens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Union

import numpy as np
import torch
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from inference.alternatives import Ids, Row, Surprises

_CHUNK_ELEMENTS = 1 << 24
"""Logits that are made float32 at once."""


@dataclass(frozen=True)
class Prefix:
    """A beginning that was read once.

    :param ids: its tokens.
    :param surprises: of all its tokens but the first.
    :param cache: what attention remembers of all but its last one, which every row begins with.
    """

    ids: Ids
    surprises: Surprises
    cache: Cache

    @property
    def cached(self) -> int:
        """Tokens that no row has to read again."""
        return len(self.ids) - 1


def read(model: Any, rows: Sequence[Row], width: int, prefix: Union[Prefix, None] = None) -> list[list[Surprises]]:
    """What the texts of each row say.

    :param model: a transformers causal language model.
    :param width: tokens that each row is padded to, so that a row's last bits do not depend on those beside it.
    :param prefix: what stands before every row.
    :raises RuntimeError: the model does not pass its states through its output head.
    """
    lines = np.concatenate([np.full(len(row.places), number) for number, row in enumerate(rows)])
    wanted = lines * width + np.concatenate([row.places for row in rows])
    places, back = np.unique(wanted, return_inverse=True)
    targets = np.concatenate([row.targets for row in rows])
    logits = _logits(model, _inputs(model, rows, width, prefix), places, width)
    log_probs, greedy = _log_probs(logits, torch.from_numpy(back), torch.from_numpy(targets))
    found, begin = [], 0
    for row in rows:
        end = begin + len(row.places)
        of_row = log_probs[begin:end], greedy[begin:end]
        found.append([Surprises(of_row[0][reading], of_row[1][reading]) for reading in row.readings])
        begin = end
    return found


def read_prefix(model: Any, ids: Ids) -> Union[Prefix, None]:
    """Read a beginning that many rows share; None for a model whose memory of it cannot be shared."""
    row = Row(ids[:-1], len(ids) - 1, (), np.arange(len(ids) - 1), np.array(ids[1:]), (np.arange(len(ids) - 1),))
    cache = DynamicCache(config=model.config)
    inputs = {"input_ids": torch.tensor([row.ids], device=model.device), "past_key_values": cache, "use_cache": True}
    logits = _logits(model, inputs, row.places, len(row))
    if not all(type(layer) is DynamicLayer and layer.get_seq_length() == len(row) for layer in cache.layers):
        return None
    log_probs, greedy = _log_probs(logits, torch.arange(len(row)), torch.from_numpy(row.targets))
    return Prefix(ids, Surprises(log_probs, greedy), Cache(layers=[_Frozen(layer) for layer in cache.layers]))


class _Frozen(DynamicLayer):  # type: ignore[misc]  # transformers is untyped
    """Keys and values of one beginning, shown before those of every row and never added to."""

    def __init__(self, layer: DynamicLayer) -> None:
        super().__init__()
        self.lazy_initialization(layer.keys, layer.values)
        self.keys, self.values = layer.keys, layer.values

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return self._before(self.keys, key_states), self._before(self.values, value_states)

    @staticmethod
    def _before(kept: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
        return torch.cat([kept.expand(added.shape[0], -1, -1, -1), added], dim=-2)


def _inputs(model: Any, rows: Sequence[Row], width: int, prefix: Union[Prefix, None]) -> dict[str, Any]:
    ids = np.zeros((len(rows), width), np.int64)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row.ids
    inputs: dict[str, Any] = {"input_ids": torch.from_numpy(ids).to(model.device), "use_cache": False}
    if prefix is not None:
        inputs |= {"past_key_values": prefix.cache, "use_cache": True}
    if any(row.branches for row in rows):
        before = prefix.cached if prefix is not None else 0
        positions = np.stack([_positions(row, width) for row in rows]) + before
        inputs["position_ids"] = torch.from_numpy(positions).to(model.device)
        inputs["attention_mask"] = _mask(rows, width, before).to(model.device, model.dtype)
    return inputs


def _positions(row: Row, width: int) -> Any:
    """Every branch goes on where the trunk ends."""
    parts = [np.arange(row.trunk), *(row.trunk + np.arange(length) for length in row.branches)]
    return np.concatenate([*parts, np.zeros(width - len(row), np.int64)])


def _mask(rows: Sequence[Row], width: int, before: int) -> torch.Tensor:
    """``[rows, 1, width, before + width]``: 0 where a token may look, the lowest number elsewhere.

    A token sees what is before the row, the trunk, and its own branch up to itself.
    """
    segments = np.stack([_segments(row, width) for row in rows])
    segment = torch.from_numpy(segments)
    allowed = (segment[:, None, :] == 0) | (segment[:, None, :] == segment[:, :, None])
    allowed &= torch.ones(width, width, dtype=torch.bool).tril()
    allowed = torch.cat([torch.ones(len(rows), width, before, dtype=torch.bool), allowed], dim=2)
    return torch.zeros(allowed.shape).masked_fill_(~allowed, torch.finfo(torch.float16).min)[:, None]


def _segments(row: Row, width: int) -> Any:
    lengths = (row.trunk, *row.branches)
    return np.concatenate([np.repeat(np.arange(len(lengths)), lengths), np.zeros(width - len(row), np.int64)])


def _logits(model: Any, inputs: dict[str, Any], places: Any, width: int) -> torch.Tensor:
    """``[places, vocabulary]``, of places in the flattened batch."""
    lines, columns = torch.from_numpy(places // width), torch.from_numpy(places % width)
    with torch.inference_mode(), _head_on(model, lines, columns):
        logits: torch.Tensor = model(**inputs).logits
    if logits.shape[:2] != (1, len(places)):
        raise RuntimeError(
            f"{type(model).__name__} gave logits of shape {tuple(logits.shape)} where {len(places)} places were asked: "
            "it does not use its output embeddings as a head; rank with the OpenCompass engine"
        )
    return logits[0]


@contextmanager
def _head_on(model: Any, lines: torch.Tensor, columns: torch.Tensor) -> Iterator[None]:
    """Inside, the output head sees the states of these places only."""

    def pick(_: Any, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        states = inputs[0]
        return (states[lines.to(states.device), columns.to(states.device)].unsqueeze(0), *inputs[1:])

    hook = model.get_output_embeddings().register_forward_pre_hook(pick)
    try:
        yield
    finally:
        hook.remove()


def _log_probs(logits: torch.Tensor, back: torch.Tensor, targets: torch.Tensor) -> tuple[Any, Any]:
    """Log-probability of each target and whether no token had a greater one.

    :param logits: ``[places, vocabulary]``.
    :param back: which of the places each target follows, ``[targets]``.
    """
    chunk = max(1, _CHUNK_ELEMENTS // logits.shape[1])
    with torch.inference_mode():
        pairs = [_normaliser(part.float()) for part in logits.split(chunk)]
        most, log_sums = (torch.cat(values) for values in zip(*pairs, strict=True))
        back, targets = back.to(logits.device), targets.to(logits.device)
        chosen = logits[back, targets].float()
        found, greedy = chosen - log_sums[back], chosen >= most[back]
        return found.double().cpu().numpy(), greedy.cpu().numpy()


def _normaliser(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The greatest logit of each place, and the logarithm of the sum of all their exponentials."""
    most = logits.amax(-1)
    return most, most + (logits - most.unsqueeze(-1)).exp_().sum(-1).log()
