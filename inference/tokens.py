"""Prompts to token ids and back, the way the model's family does it in OpenCompass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from inference.build import CHAT, LM, model_family
from inference.meta_template import to_messages
from inference.problems import InputProblem
from inference.requests import Prompt

_LM_MAX_SEQ_LEN = 2048
"""OpenCompass's default for ``HuggingFace`` and ``HuggingFaceCausalLM``."""

_UNSET_LENGTH = 10**9
"""Tokenizers that know no limit report 1e30."""


@dataclass(frozen=True)
class Encoded:
    """:param truncated: whether tokens were left out to fit the window.
    :param spans: where in the text each token begins and ends, in characters; None where nobody asked, or a tokenizer
        that is not a fast one cannot tell.
    """

    ids: tuple[int, ...]
    truncated: bool = False
    spans: tuple[tuple[int, int], ...] | None = None

    def tokens_before(self, place: int) -> int:
        """How many tokens end at or before a place of the text; a token across it belongs to what follows."""
        spans = self.spans or ()
        return next((number for number, (_, end) in enumerate(spans) if end > place), len(spans))

    def is_merged(self, place: int) -> bool:
        """Whether a token lies across a place of the text."""
        return any(begin < place < end for begin, end in self.spans or ())


class Tokens:
    """A tokenizer and the rules of its model.

    :param tokenizer: a transformers tokenizer.
    :param family: ``base``, ``lm`` or ``chat``.
    :param max_seq_len: tokens the model takes, None when nothing says it.
    :param keep_ends: on overflow keep both ends of a prompt and drop its middle (``mode='mid'``).
    """

    def __init__(self, tokenizer: Any, family: str, max_seq_len: int | None, keep_ends: bool = False) -> None:
        self.tokenizer = tokenizer
        self.family = family
        self.max_seq_len = max_seq_len
        self._keep_ends = keep_ends
        self.bos = self._bos_policy()

    def text(self, prompt: Prompt) -> str:
        """The text that is tokenised: a chat model's turns pass through its chat template."""
        if self.family != CHAT:
            return prompt if isinstance(prompt, str) else "".join(str(turn["prompt"]) for turn in prompt)
        messages = to_messages(prompt)
        try:
            return str(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))
        except Exception as error:  # A template is a program of the model's author; it raises what it likes.
            raise InputProblem(
                f"the tokenizer's chat template refuses a dialogue ({error}); give the model a chat_template "
                "or use the type HuggingFaceBaseModel"
            ) from error

    def count(self, text: str) -> int:
        """How many tokens a text has, special tokens included."""
        return len(self._ids([text])[0])

    def encode(self, prompts: Sequence[Prompt], reserve: int = 0, *, with_spans: bool = False) -> list[Encoded]:
        """Token ids of each prompt, cut to the window; all are tokenised in one batch.

        :param reserve: tokens to leave free for the answer.
        :param with_spans: tell where in its text each token lies.
        :raises InputProblem: nothing is left for the prompt, or a prompt has no tokens at all.
        """
        texts = [self.text(prompt) for prompt in prompts]
        window = self._window(reserve)
        whole = self._encode(texts, with_spans=with_spans and self.tokenizer.is_fast)
        encoded = [self._fit(text, one, window) for text, one in zip(texts, whole, strict=True)]
        for row, item in zip(texts, encoded, strict=True):
            if not item.ids:
                raise InputProblem(f"prompt {row!r} has no tokens; give the template some text")
        return encoded

    def split(self, text: str, encoded: Encoded, place: int) -> int:
        """How many of the tokens belong to ``text[:place]``.

        :param encoded: of the text, its end kept where it was cut. Without spans, what stands before the place is
            tokenised alone and counted, as lm-evaluation-harness does.
        """
        if encoded.spans is not None:
            return encoded.tokens_before(place)
        behind = self.count(text) - self.count(text[:place])
        return max(0, len(encoded.ids) - max(0, behind))

    def continuations(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Token ids of texts that go on where another ended: without special tokens."""
        ids: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return [tuple(one) for one in ids]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of generated tokens; chat models keep special tokens such as ``<think>``, as OpenCompass does."""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=self.family != CHAT))

    def pad_id(self) -> int | None:
        """The token that fills up short rows; attention is masked there, so any will do."""
        pad: int | None = self.tokenizer.pad_token_id
        return pad

    def _window(self, reserve: int) -> int | None:
        if self.max_seq_len is None:
            return None
        if self.max_seq_len <= reserve:
            raise InputProblem(
                f"max_out_len {reserve} leaves no room for a prompt in max_seq_len {self.max_seq_len}; "
                "raise the model's max_seq_len or lower max_out_len"
            )
        return self.max_seq_len - reserve

    def _bos_policy(self) -> str:
        """Who puts a BOS before a text: ``added`` by the tokenizer, ``present`` in the chat template, or ``none``."""
        bos = self.tokenizer.bos_token
        if bos is None:
            return "none"
        if self.family == CHAT:
            template = str(self.tokenizer.chat_template or "")
            return "present" if bos in template or "bos_token" in template else "none"
        return "added" if self._ids(["a"])[0][:1] == [self.tokenizer.bos_token_id] else "none"

    def _ids(self, texts: list[str]) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=self.family != CHAT)["input_ids"]
        return ids

    def _encode(self, texts: list[str], *, with_spans: bool, **options: Any) -> list[Encoded]:
        special = self.family != CHAT
        found = self.tokenizer(texts, add_special_tokens=special, return_offsets_mapping=with_spans, **options)
        spans = found["offset_mapping"] if with_spans else [None] * len(texts)
        return [
            Encoded(tuple(ids), spans=None if span is None else tuple(map(tuple, span)))
            for ids, span in zip(found["input_ids"], spans, strict=True)
        ]

    def _fit(self, text: str, whole: Encoded, window: int | None) -> Encoded:
        if window is None or len(whole.ids) <= window:
            return whole
        if self._keep_ends:
            head = window // 2
            kept = [*range(head), *range(len(whole.ids) - (window - head), len(whole.ids))]
            spans = None if whole.spans is None else tuple(whole.spans[place] for place in kept)
            return Encoded(tuple(whole.ids[place] for place in kept), truncated=True, spans=spans)
        # The tokenizer cuts, so that a BOS survives a cut from the left.
        with_spans = whole.spans is not None
        (cut,) = self._encode([text], with_spans=with_spans, truncation=True, max_length=window)
        return replace(cut, truncated=True)


def load_tokens(model_cfg: dict[str, Any]) -> Tokens:
    """The tokenizer of an OpenCompass model config.

    :raises InputProblem: it cannot be loaded.
    """
    from transformers import AutoTokenizer

    family = model_family(model_cfg)
    path = model_cfg.get("tokenizer_path") or model_cfg["path"]
    sides = {} if family == LM else {"padding_side": "left", "truncation_side": "left"}
    kwargs = {**sides, **model_cfg.get("tokenizer_kwargs", {}), "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, **kwargs)
    except Exception as error:  # OSError, ValueError, or whatever the Rust parser raises for a damaged file.
        raise InputProblem(
            f"model {model_cfg['abbr']}: no tokenizer could be loaded from {path} ({error}); "
            "check path, tokenizer_path and tokenizer_kwargs"
        ) from error
    _set_pad(tokenizer, model_cfg.get("pad_token_id"))
    keep_ends = model_cfg.get("mode") == "mid" or bool(model_cfg.get("drop_middle"))
    return Tokens(tokenizer, family, _max_seq_len(model_cfg, family, tokenizer), keep_ends)


def _set_pad(tokenizer: Any, configured: int | None) -> None:
    """A config's ``pad_token_id`` wins; a negative one counts from the end of the vocabulary, as in OpenCompass."""
    if configured is not None:
        tokenizer.pad_token_id = configured + len(tokenizer) if configured < 0 else configured


def _max_seq_len(model_cfg: dict[str, Any], family: str, tokenizer: Any) -> int | None:
    """OpenCompass's order: the config's, else the model's own, else the tokenizer's."""
    if model_cfg.get("max_seq_len"):
        return int(model_cfg["max_seq_len"])
    if family == LM:
        return _LM_MAX_SEQ_LEN
    own = _model_length(model_cfg)
    if own is None and tokenizer.model_max_length < _UNSET_LENGTH:
        return int(tokenizer.model_max_length)
    return own


def _model_length(model_cfg: dict[str, Any]) -> int | None:
    from inference.model import load_config

    config = load_config(model_cfg).get_text_config()
    names = ("max_position_embeddings", "seq_length", "model_max_length")
    return next((int(getattr(config, name)) for name in names if getattr(config, name, None)), None)
