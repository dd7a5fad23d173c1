"""Choose labels: the one whose whole prompt has the lowest mean surprise, as OpenCompass defines it.

PPL = sum of -log p(next token) / number of the row's tokens, the first one included (so n - 1 terms divided
by n; OpenCompass, ``HuggingFaceBaseModel.get_ppl``). OpenCompass pads on the left and there also scores the first
token of a padded row; here rows are padded on the right, so each row has the value it has alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Union

import torch

from inference.batches import pieces
from inference.problems import InputProblem
from inference.requests import RankingRequest
from inference.tokens import Tokens


class Ranking:
    """The ranking requests of one part.

    :param model: a transformers causal language model.
    :param tokens: its tokenizer.
    :param requests: one per item of the part.
    :param budget: rows of a batch, padded together.
    :param at_once: most rows of one forward pass, None for a whole batch.
    """

    def __init__(
        self,
        model: Any,
        tokens: Tokens,
        requests: Sequence[RankingRequest],
        budget: int,
        at_once: Union[int, None] = None,
    ) -> None:
        self._model = model
        self._requests = requests
        self._budget = budget
        self._at_once = at_once or budget
        self.token_count = 0
        rows = iter(tokens.encode([prompt for request in requests for prompt in request.prompts]))
        self._encoded = [[next(rows) for _ in request.prompts] for request in requests]
        self._tokens = tokens
        self.lengths = [max(len(row.ids) for row in item) for item in self._encoded]
        # Equal rows (labels that truncation made equal) are scored once: in batches of different width they would
        # differ in the last bits, and a tie would not go to the first label.
        self._distinct = [list(dict.fromkeys(row.ids for row in item)) for item in self._encoded]
        self.rows = [len(item) for item in self._distinct]
        self.truncated = [any(row.truncated for row in item) for item in self._encoded]

    def answer(self, batch: Sequence[int]) -> list[dict[str, Any]]:
        """The prediction file's entries of a batch of items, in its order."""
        rows = [ids for item in batch for ids in self._distinct[item]]
        scores = iter([value for together in pieces(rows, self._budget) for value in self._score(together)])
        self.token_count += sum(map(len, rows))
        return [self._entry(item, {ids: next(scores) for ids in self._distinct[item]}) for item in batch]

    def _score(self, rows: Sequence[Sequence[int]]) -> list[float]:
        width = max(map(len, rows))
        return [value for piece in pieces(rows, self._at_once) for value in score(self._model, piece, width)]

    def _entry(self, item: int, surprises: dict[tuple[int, ...], float]) -> dict[str, Any]:
        request = self._requests[item]
        sums = [surprises[row.ids] for row in self._encoded[item]]
        counts = [len(row.ids) for row in self._encoded[item]]
        perplexities = [value / count for value, count in zip(sums, counts, strict=True)]
        if not all(math.isfinite(value) for value in perplexities):
            raise InputProblem(
                f"row {request.index}: the PPL of a label is {perplexities}; the weights or their dtype overflow, "
                "set torch_dtype to bfloat16 or float32 or check the checkpoint"
            )
        bare = [self._tokens.text(prompt) for prompt in request.bare_prompts]
        full = [self._tokens.text(prompt) for prompt in request.prompts]
        entry: dict[str, Any] = {"in-context examples": request.ice, "origin_prompt": bare[0]}
        for number, label in enumerate(request.labels):
            # OpenCompass's "BPB" is in nats per byte; it has no ln 2.
            bits = sums[number] / max(1, len(bare[number].encode("utf-8", "surrogatepass")))
            value = perplexities[number]
            entry[f"label: {label}"] = {
                "testing input": bare[number],
                "prompt": full[number],
                "PPL": value,
                "BPB": bits,
            }
        entry["prediction"] = request.labels[perplexities.index(min(perplexities))]
        return entry if request.gold is None else {**entry, "gold": request.gold}


def score(model: Any, rows: Sequence[Sequence[int]], width: Union[int, None] = None) -> list[float]:
    """The sum of -log p(next token) of each row, in nats.

    Padding stands on the right, where causal attention never looks from a real token, so no mask is needed.

    :param rows: token ids, one sequence per row.
    :param width: tokens each row is padded to, None for those of the longest.
    """
    width = width or max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, use_cache=False).logits
        return [_surprise(logits[number, : len(row) - 1], ids[number, 1 : len(row)]) for number, row in enumerate(rows)]


def _surprise(logits: torch.Tensor, targets: torch.Tensor) -> float:
    """:param logits: ``[n - 1, vocabulary]``.
    :param targets: the tokens that followed, ``[n - 1]``.
    """
    chosen = logits.float().log_softmax(-1).gather(-1, targets.to(logits.device).unsqueeze(-1))
    return float(0.0 - chosen.double().sum())  # Not minus the sum: one token alone has PPL 0.0, not -0.0.
