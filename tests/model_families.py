"""Tiny models with random weights, one of each kind of attention that makes a difference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

VOCABULARY = 320
WINDOW = 16
"""Tokens that Gemma2's sliding layers see; contexts in tests are longer."""

_COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 1,
}
_WIDE = {**_COMMON, "intermediate_size": 96, "max_position_embeddings": 512}
_GROUPED = {**_WIDE, "num_key_value_heads": 2}

FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "Llama": ("Llama", _GROUPED),
    "Qwen3": ("Qwen3", {**_GROUPED, "head_dim": 12}),
    "GPT-NeoX": ("GPTNeoX", _WIDE),
    "GPT-2": ("GPT2", {**_COMMON, "n_positions": 512}),
    "Gemma2": ("Gemma2", {**_GROUPED, "head_dim": 12, "final_logit_softcapping": 5.0, "sliding_window": WINDOW}),
    "OPT": ("OPT", {**_WIDE, "ffn_dim": 96, "word_embed_proj_dim": 48, "init_std": 0.2}),
    "Mamba": ("Mamba", {**_COMMON, "state_size": 8}),
    "Bloom": ("Bloom", _COMMON),
    "Cohere": ("Cohere", {**_GROUPED, "logit_scale": 0.0625}),
}


def make_family(name: str) -> Any:
    """The model, the same weights on every run."""
    import torch
    import transformers

    kind, settings = FAMILIES[name]
    torch.manual_seed(7)
    config: Callable[..., Any] = getattr(transformers, f"{kind}Config")
    suffix = "LMHeadModel" if kind == "GPT2" else "ForCausalLM"
    return getattr(transformers, kind + suffix)(config(**settings)).eval()
