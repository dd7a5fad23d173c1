"""Continue prompts: batches with left padding, greedy unless the config samples, cut at the earliest stop string."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

import torch
from transformers.generation.stopping_criteria import StoppingCriteria, StoppingCriteriaList

from inference.answerer import Entry
from inference.batches import pieces, plan_batches
from inference.build import LM
from inference.problems import InputProblem
from inference.requests import GenerationRequest, Prompt
from inference.tokens import Tokens


@dataclass(frozen=True)
class Decoding:
    """How to continue.

    :param max_new: most tokens to add.
    :param min_new: fewest tokens to add before an end is accepted, None for no minimum.
    :param stops: strings that end an answer; they and what follows are cut off.
    :param kwargs: ``generation_kwargs`` for transformers.
    :param seed: of sampling.
    """

    max_new: int
    min_new: int | None
    stops: tuple[str, ...]
    kwargs: dict[str, Any]
    seed: str = ""


def read_decoding(model_cfg: dict[str, Any], inferencer_cfg: dict[str, Any], seed: str) -> Decoding:
    """The decoding of a model x dataset; the dataset's inferencer wins over the model.

    :param seed: any text; equal texts sample equally.
    :raises InputProblem: neither says how many tokens to add.
    """
    merged = {**model_cfg, **{key: value for key, value in inferencer_cfg.items() if value is not None}}
    max_new = merged.get("max_out_len")
    if not isinstance(max_new, int) or max_new < 1:
        raise InputProblem(
            f"model {model_cfg['abbr']}: max_out_len is {max_new!r}; "
            "give the model or the dataset's inferencer a positive number of tokens"
        )
    end = model_cfg.get("end_str")
    stops = [*inferencer_cfg.get("stopping_criteria", ()), *model_cfg.get("stop_words", ()), *([end] if end else [])]
    unique = tuple(dict.fromkeys(stop for stop in stops if stop))
    return Decoding(max_new, merged.get("min_out_len"), unique, dict(model_cfg.get("generation_kwargs", {})), seed)


def cut(text: str, stops: Sequence[str]) -> str:
    """``text`` up to the earliest stop string."""
    places = [text.find(stop) for stop in stops if stop in text]
    return text[: min(places)] if places else text


class StopStrings(StoppingCriteria):  # type: ignore[misc]  # transformers is untyped
    """Ends each row on its own once its generated text holds a stop string; never looks into the prompt.

    :param tokens: decodes.
    :param stops: the strings.
    :param width: tokens of the padded prompts.
    """

    def __init__(self, tokens: Tokens, stops: Sequence[str], width: int) -> None:
        self._tokens = tokens
        self._stops = stops
        self._width = width
        # A stop of n bytes spans at most n tokens; the rest allows for a character split over tokens.
        self._tail = max(len(stop.encode()) for stop in stops) + 8

    def __call__(self, input_ids: torch.Tensor, scores: object, **kwargs: Any) -> torch.Tensor:
        rows = input_ids[:, self._width :].tolist()
        done = [self._holds(row[-self._tail :]) and self._holds(row) for row in rows]
        return torch.tensor(done, dtype=torch.bool, device=input_ids.device)

    def _holds(self, ids: list[int]) -> bool:
        text = self._tokens.decode(ids)
        return any(stop in text for stop in self._stops)


class Generation:
    """The generation requests of one part.

    :param model: a transformers causal language model.
    :param tokens: its tokenizer.
    :param requests: one per item of the part.
    :param decoding: how to continue.
    :param budget: rows of a batch.
    :param at_once: most rows of one call of the model, None for a whole batch.
    :param with_lengths: whether entries say how long prompt and answer are, in tokens.
    """

    def __init__(
        self,
        model: Any,
        tokens: Tokens,
        requests: Sequence[GenerationRequest],
        decoding: Decoding,
        budget: int,
        at_once: Union[int, None] = None,
        *,
        with_lengths: bool = False,
    ) -> None:
        self._model = model
        self._with_lengths = with_lengths
        self._tokens = tokens
        self._requests = requests
        self._decoding = decoding
        self._at_once = at_once
        self.token_count = 0
        # OpenCompass leaves room for the answer with its older class only; the others cut at max_seq_len.
        reserve = decoding.max_new if tokens.family == LM else 0
        self._encoded = tokens.encode([request.prompt for request in requests], reserve)
        self._ends = _end_tokens(model, tokens, decoding)
        self._pad = next((pad for pad in (tokens.pad_id(), *sorted(self._ends)) if pad is not None), 0)
        lengths = [len(row.ids) for row in self._encoded]
        self.batches = plan_batches(lengths, [1] * len(requests), budget)
        self.notes = [f"BOS {tokens.bos}"]
        self.truncated = [row.truncated for row in self._encoded]

    def answer(self, batch: Sequence[int]) -> Sequence[Entry]:
        """The prediction file's entries of a batch of items, in its order."""
        width = max(len(self._encoded[item].ids) for item in batch)
        parts = pieces(batch, self._at_once or len(batch))
        outputs = [output for part in parts for output in self._generate(part, width)]
        each = len(outputs) // len(batch)
        texts = [self._text(output) for output in outputs]
        groups = [texts[number * each : (number + 1) * each] for number in range(len(batch))]
        return [self._entry(self._requests[item], group) for item, group in zip(batch, groups, strict=True)]

    def _entry(self, request: GenerationRequest, texts: list[str]) -> dict[str, Any]:
        entry = _entry(request, texts)
        return {**entry, **self._lengths(request.prompt, texts)} if self._with_lengths else entry

    def _lengths(self, prompt: Prompt, texts: list[str]) -> dict[str, Any]:
        """As OpenCompass's ``--dump-res-length`` has them: of the text as it stands, special tokens included."""
        count = self._tokens.count
        answers = [count(text) for text in texts]
        turns = (
            [prompt]
            if isinstance(prompt, str)
            else [str(turn.get("prompt", turn.get("content", ""))) for turn in prompt]
        )
        return {
            "res_length": answers[0] if len(answers) == 1 else answers,
            "all_input_length": sum(map(count, turns)),
        }

    def _generate(self, items: Sequence[int], width: int) -> list[list[int]]:
        rows = [self._encoded[item] for item in items]
        ids = [[self._pad] * (width - len(row.ids)) + list(row.ids) for row in rows]
        mask = [[0] * (width - len(row.ids)) + [1] * len(row.ids) for row in rows]
        device = self._model.device
        # Sampling restarts from the batch's own seed, so that a resumed part draws what an undisturbed one draws.
        torch.manual_seed(_seed(self._decoding.seed, items[0]))
        inputs = {"input_ids": torch.tensor(ids, device=device), "attention_mask": torch.tensor(mask, device=device)}
        try:
            with torch.inference_mode():
                output = self._model.generate(**inputs, **self._settings(width))
        except (ValueError, TypeError) as error:  # transformers' words for settings it does not take
            raise InputProblem(
                f"the model refuses to generate ({error}); correct generation_kwargs {self._decoding.kwargs!r}"
            ) from error
        generated: list[list[int]] = output[:, width:].tolist()
        self.token_count += sum(len(row.ids) for row in rows) + sum(map(self._length, generated))
        return generated

    def _settings(self, width: int) -> dict[str, Any]:
        decoding = self._decoding
        settings: dict[str, Any] = {"do_sample": False, **decoding.kwargs}
        settings |= {"max_new_tokens": decoding.max_new, "pad_token_id": self._pad}
        if decoding.min_new:
            settings["min_new_tokens"] = decoding.min_new
        if self._ends:
            settings["eos_token_id"] = sorted(self._ends)
        if decoding.stops:
            settings["stopping_criteria"] = StoppingCriteriaList([StopStrings(self._tokens, decoding.stops, width)])
        return settings

    def _text(self, ids: list[int]) -> str:
        return cut(self._tokens.decode(ids[: self._length(ids)]), self._decoding.stops)

    def _length(self, ids: list[int]) -> int:
        """Tokens before the first end."""
        return next((place for place, token in enumerate(ids) if token in self._ends), len(ids))


def _end_tokens(model: Any, tokens: Tokens, decoding: Decoding) -> frozenset[int]:
    """What ends an answer: ``generation_kwargs``, else the checkpoint's generation config and the tokenizer's EOS."""
    named = decoding.kwargs.get("eos_token_id")
    if named is None:
        named = model.generation_config.eos_token_id
        ends = _as_set(named)
        return ends | _as_set(tokens.tokenizer.eos_token_id)
    return _as_set(named)


def _as_set(ids: Union[int, Sequence[int], None]) -> frozenset[int]:
    if ids is None:
        return frozenset()
    return frozenset([ids] if isinstance(ids, int) else ids)


def _seed(text: str, first: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{text}:{first}".encode()).digest()[:6], "big")


def _entry(request: GenerationRequest, texts: list[str]) -> dict[str, Any]:
    """OpenCompass's entry, but a gold of 0 or "" is kept (it drops whatever is false)."""
    entry = {"origin_prompt": request.prompt, "prediction": texts[0] if len(texts) == 1 else texts}
    return entry if request.gold is None else {**entry, "gold": request.gold}
