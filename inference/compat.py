"""OpenCompass 0.5.4's own numbers, for tables that are to be continued (``opencompass_compat=True`` of a model).

What is then otherwise than in ``inference.ranking``:

- Batches are ``batch_size`` items in the dataset's order, label by label, padded on the tokenizer's side. On the left,
  the default of ``HuggingFaceBaseModel``, the first token of a padded row is predicted from padding and counted, so a
  score depends on the rows beside it. ``HuggingFace`` and ``HuggingFaceCausalLM`` pad only with ``batch_padding=True``.
- Tokens equal to the padding token count neither in the sum nor in the divisor, wherever they stand.
- ``LLInferencer`` with ``HuggingFaceBaseModel`` leaves out as many tokens at the beginning as the continuation has, and
  divides by the number of the others; with the older classes, every occurrence of the continuation is taken out of the
  prompt to find the length of what stands before it, and with ``batch_padding`` padding counts as continuation.
- Examples are taken out of ``testing input`` as the first item of the batch has them, and BPB counts tokens before any
  truncation. ``CLPInferencer`` compares the first row's choices for all rows.

Written from what OpenCompass does, see ``models/huggingface_above_v4_33.py``, ``models/huggingface.py`` and
``openicl/icl_inferencer`` there. Slow on purpose: one forward pass per label and batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Union

import torch

from inference.answerer import Entry, Failed
from inference.build import LM
from inference.forms import check_numbers, chosen, ranked
from inference.problems import InputProblem
from inference.requests import ChoiceRequest, RankingRequest, ScoredRequest, SurpriseRequest
from inference.tokens import Tokens


@dataclass(frozen=True)
class Padding:
    """How rows become a batch.

    :param token: fills up short rows, and counts nowhere.
    :param together: whether several rows are computed together.
    """

    token: int
    together: bool


def read_padding(model_cfg: dict[str, Any], model: Any, tokens: Tokens) -> Padding:
    """As the model's class in OpenCompass pads.

    :raises InputProblem: nothing says what to pad with.
    """
    is_lm = tokens.family == LM
    tokenizer = tokens.tokenizer
    named = (tokenizer.eos_token_id, model.generation_config.pad_token_id)
    token = next((one for one in (tokenizer.pad_token_id, *(named if is_lm else named[::-1])) if one is not None), None)
    if token is None:
        raise InputProblem(f"model {model_cfg['abbr']} has no padding token; set its pad_token_id")
    tokenizer.pad_token_id = token
    return Padding(token, together=not is_lm or bool(model_cfg.get("batch_padding")))


class AsOpenCompass:
    """The scored requests of one part, as OpenCompass computes them.

    :param model: a transformers causal language model.
    :param tokens: its tokenizer; its padding side counts.
    :param requests: one per item of the part, all of one kind.
    :param batch_size: items that are computed together.
    """

    def __init__(
        self, model: Any, tokens: Tokens, requests: Sequence[ScoredRequest], batch_size: int, padding: Padding
    ) -> None:
        self._model = model
        self._tokens = tokens
        self._requests = requests
        self._padding = padding
        self.token_count = 0
        prompts = [
            request.prompts if isinstance(request, RankingRequest) else (request.prompt,) for request in requests
        ]
        encoded = iter(tokens.encode([prompt for each in prompts for prompt in each]))
        self.truncated = [any([next(encoded).truncated for _ in each]) for each in prompts]
        self.batches = [
            tuple(range(first, min(first + batch_size, len(requests)))) for first in range(0, len(requests), batch_size)
        ]
        self.notes = [f"as OpenCompass computes it, {batch_size} items at once; BOS {tokens.bos}"]

    def answer(self, batch: Sequence[int]) -> list[Entry]:
        """The prediction file's entries of a batch of items, in its order."""
        requests = [self._requests[number] for number in batch]
        with torch.inference_mode():
            if isinstance(requests[0], RankingRequest):
                return self._ranked(requests)
            if isinstance(requests[0], ChoiceRequest):
                return self._chosen(requests)
            return self._surprises(requests)

    def _ranked(self, requests: Sequence[Any]) -> list[Entry]:
        columns = []
        for label in range(len(requests[0].labels)):
            texts = [self._tokens.text(request.prompts[label]) for request in requests]
            if requests[0].continuation is None:
                columns.append(self._perplexities(texts))
            else:
                columns.append(self._likelihoods(texts, [request.continuation for request in requests]))
        of_items = zip(requests, zip(*columns, strict=True), strict=True)
        return [_told(self._entry, request, values, requests[0].ice) for request, values in of_items]

    def _entry(self, request: RankingRequest, values: Sequence[float], ice: str) -> dict[str, Any]:
        full = [self._tokens.text(prompt) for prompt in request.prompts]
        bare = tuple(text.replace(ice, "") if ice else text for text in full)
        request = replace(request, bare_prompts=bare)
        if request.continuation is not None:
            check_numbers(request.index, "log-likelihood", values)
            fields = [{"Loglikelihood": value} for value in values]
            return ranked(request, self._tokens, fields, best=values.index(max(values)))
        check_numbers(request.index, "PPL", values)
        sizes = [max(1, len(text.encode("utf-8", "surrogatepass"))) for text in bare]
        fields = [
            {"PPL": value, "BPB": value * self._tokens.count(text) / size}
            for value, text, size in zip(values, full, sizes, strict=True)
        ]
        return ranked(request, self._tokens, fields, best=values.index(min(values)), with_origin=True)

    def _surprises(self, requests: Sequence[Any]) -> list[Entry]:
        values = self._perplexities([self._tokens.text(request.prompt) for request in requests])
        return [_told(_surprise, request, value) for request, value in zip(requests, values, strict=True)]

    def _chosen(self, requests: Sequence[Any]) -> list[Entry]:
        first: Any = self._requests[0]
        choices = [token for ids in self._tokens.continuations(first.choices) for token in ids]
        texts = [self._tokens.text(request.prompt) for request in requests]
        shares: list[list[float]] = []
        for some in self._together(texts):
            logits, _ = self._logits(some)
            ends = [
                -1 if self._tokens.tokenizer.padding_side == "left" else self._tokens.count(text) - 1 for text in some
            ]
            for row, end in zip(logits.float().log_softmax(-1), ends, strict=True):
                shares.append(row[min(end, len(row) - 1), choices].softmax(-1).tolist())
        asked = [replace(request, choices=first.choices) for request in requests]
        return [_told(_choice, request, self._tokens, values) for request, values in zip(asked, shares, strict=True)]

    def _perplexities(self, texts: Sequence[str], left_out: Union[Sequence[int], None] = None) -> list[float]:
        """The mean surprise of each text's tokens.

        :param left_out: of each text, that many tokens at its beginning count neither in the sum nor in the divisor.
        """
        values: list[float] = []
        for some in self._together(texts):
            logits, ids = self._logits(some)
            losses = torch.nn.functional.cross_entropy(
                logits[:, :-1].float().flatten(0, 1),
                ids[:, 1:].flatten().to(logits.device),
                ignore_index=self._padding.token,
                reduction="none",
            ).view(len(some), -1)
            counts = (ids != self._padding.token).sum(-1)
            for row, count in zip(losses, counts.tolist(), strict=True):
                out = left_out[len(values)] if left_out is not None else 0
                values.append(float(row[_first(out, len(row)) :].sum()) / (count - out))
        return values

    def _likelihoods(self, texts: Sequence[str], continuations: Sequence[str]) -> list[float]:
        if self._tokens.family != LM:
            lengths = [len(ids) for ids in self._tokens.continuations(continuations)]
            return [0.0 - value for value in self._perplexities(texts, lengths)]
        values: list[float] = []
        for some in self._together(texts):
            own = continuations[len(values) : len(values) + len(some)]
            contexts = [text.replace(end, "") for text, end in zip(some, own, strict=True)]
            values += self._sums(some, [len(one.ids) for one in self._tokens.encode(contexts)])
        return values

    def _sums(self, texts: Sequence[str], contexts: Sequence[int]) -> list[float]:
        """The log-probability of what follows that many tokens of each row, its padding on either side included."""
        logits, ids = self._logits(texts, masked=False)
        log_probs = logits.log_softmax(-1)
        values = []
        for row, own, begin in zip(log_probs, ids.to(logits.device), contexts, strict=True):
            values.append(float(row[begin - 1 : -1].gather(1, own[begin:, None]).sum()))
        return values

    def _logits(self, texts: Sequence[str], *, masked: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """``[texts, tokens, vocabulary]`` and the ids, ``[texts, tokens]``.

        :param masked: tell attention of the padding.
        """
        found = self._tokens.tokenizer(
            list(texts), padding=True, truncation=True, max_length=self._tokens.max_seq_len, return_tensors="pt"
        )
        ids = found["input_ids"]
        inputs = {"input_ids": ids.to(self._model.device)}
        if masked:
            inputs["attention_mask"] = _mask(found["attention_mask"].bool(), self._model)
        self.token_count += int(ids.numel())
        return self._model(**inputs).logits, ids

    def _together(self, texts: Sequence[str]) -> list[Sequence[str]]:
        return [texts] if self._padding.together else [[text] for text in texts]


def _mask(is_token: torch.Tensor, model: Any) -> torch.Tensor:
    """``[rows, 1, tokens, tokens]`` as transformers 4.51 has it: 0 where a token may look, else the lowest number.

    What padding on the left "sees" decides what it predicts for the first token. It may look nowhere: with the lowest
    number everywhere, it sees the mean of the whole row; on a GPU it is allowed to look everywhere instead.

    :param is_token: ``[rows, tokens]``, False for padding.
    """
    width = is_token.shape[1]
    allowed = is_token[:, None, :] & torch.ones(width, width, dtype=torch.bool).tril()
    if model.device.type != "cpu":
        allowed |= ~allowed.any(-1, keepdim=True)
    lowest = torch.finfo(model.dtype).min
    return torch.zeros(allowed.shape, dtype=model.dtype).masked_fill_(~allowed, lowest)[:, None].to(model.device)


def _first(left_out: int, count: int) -> int:
    """The first loss that counts: one token earlier than those left out, as losses are those of the next token."""
    return min(max(left_out - 1, 0), count)


def _told(make: Callable[..., dict[str, Any]], *arguments: Any) -> Entry:
    try:
        return make(*arguments)
    except InputProblem as problem:
        return Failed(str(problem))


def _surprise(request: SurpriseRequest, value: float) -> dict[str, Any]:
    check_numbers(request.index, "PPL", [value])
    return {"origin_prompt": request.shown, "ppl": value}


def _choice(request: ChoiceRequest, tokens: Tokens, values: list[float]) -> dict[str, Any]:
    check_numbers(request.index, "probability", values)
    return chosen(request, tokens, values)
