"""A model that both sides make alike, and the rankings that OpenCompass was asked for."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden" / "rankings"

WORDS = (
    "red",
    "green",
    "blue",
    "seven",
    "eleven",
    "cat",
    "dog",
    "house",
    "river",
    "stone",
    "bright",
    "slow",
    "no",
    "yes",
)
EXACT = {"torch_dtype": "torch.float"}
BASE = {"type": "HuggingFaceBaseModel", "model_kwargs": EXACT, "max_out_len": 4}
OLDER = {"type": "HuggingFaceCausalLM", "model_kwargs": EXACT, "max_out_len": 4}
CHATTY = {
    "round": [{"role": "HUMAN", "begin": "red ", "end": "\n"}, {"role": "BOT", "begin": "dog ", "generate": True}],
    "begin": "house ",
}
TURNS = {"round": [{"role": "HUMAN", "prompt": "{question}"}, {"role": "BOT", "prompt": "{A}"}]}
LABELS = {"A": "{question} is {A}", "B": "{question} is {B}"}
SHOTS = {"A": "</E>{question} is {A}", "B": "</E>{question} is {B}"}
FIXED = {"type": "FixKRetriever", "fix_id_list": [0, 3]}
ENDS = {"A": "{A}{cont}", "B": "{B}{cont}"}


def _case(model: dict[str, Any], inferencer: str, template: Any, batch_size: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "model": model,
        "inferencer": {"type": inferencer, "batch_size": batch_size, **more.pop("options", {})},
        "template": template,
        "retriever": more.pop("retriever", {"type": "ZeroRetriever"}),
        **more,
    }


CASES: dict[str, dict[str, Any]] = {
    "ppl-alone": _case(BASE, "PPLInferencer", LABELS),
    "ppl-batch": _case(BASE, "PPLInferencer", LABELS, 4),
    "ppl-large-batch": _case(BASE, "PPLInferencer", LABELS, 32),
    "ppl-right": _case({**BASE, "tokenizer_kwargs": {"padding_side": "right"}}, "PPLInferencer", LABELS, 4),
    "ppl-padded-with-a-word": _case({**BASE, "pad_token_id": 7}, "PPLInferencer", LABELS, 4),
    "ppl-shots": _case(BASE, "PPLInferencer", SHOTS, 3, retriever=FIXED),
    "ppl-cut": _case({**BASE, "max_seq_len": 24}, "PPLInferencer", LABELS, 4),
    "ppl-older": _case(OLDER, "PPLInferencer", LABELS, 4),
    "ppl-older-batch": _case({**OLDER, "batch_padding": True}, "PPLInferencer", LABELS, 4),
    "ppl-turns": _case({**OLDER, "meta_template": CHATTY}, "PPLInferencer", {"A": TURNS, "B": TURNS}, 2),
    "ll-batch": _case(BASE, "LLInferencer", ENDS, 4),
    "ll-older": _case(OLDER, "LLInferencer", ENDS, 4),
    "ll-older-batch": _case({**OLDER, "batch_padding": True}, "LLInferencer", ENDS, 4),
    "clp-older": _case({**OLDER, "max_seq_len": 512}, "CLPInferencer", "{question}", 4),
    "clp-older-batch": _case({**OLDER, "batch_padding": True, "max_seq_len": 512}, "CLPInferencer", "{question}", 4),
    "ppl-only": _case(BASE, "PPLOnlyInferencer", "{question}", 4, output=None),
    "ppl-only-turns": _case({**OLDER, "meta_template": CHATTY}, "PPLOnlyInferencer", TURNS, 1, output=None),
}


def rows() -> list[dict[str, Any]]:
    """Questions of very different lengths."""
    import random

    made = []
    for number in range(14):
        rng = random.Random(number)
        words = lambda count: " ".join(rng.choices(WORDS, k=count))  # noqa: E731, B023
        made.append(
            {
                "question": words(1 + (number * 7) % 23),
                "A": words(1 + number % 3),
                "B": words(2),
                "cont": " " + words(1 + number % 4),
                "choices": ["no", "yes"],
                "answer": "AB"[number % 2],
            }
        )
    return made


def reader(case: dict[str, Any]) -> dict[str, Any]:
    """The case's ``reader_cfg``."""
    return {"input_columns": ["question", "A", "B", "cont"], "output_column": case.get("output", "answer")}


def infer_cfg(case: dict[str, Any]) -> dict[str, Any]:
    """The case's ``infer_cfg``."""
    template = case["template"]
    shots = case["retriever"]["type"] != "ZeroRetriever"
    prompt = {"type": "PromptTemplate", "template": template, **({"ice_token": "</E>"} if shots else {})}
    both = {"prompt_template": prompt, "retriever": case["retriever"], "inferencer": case["inferencer"]}
    if shots:
        own = {label: text.replace("</E>", "") for label, text in template.items()}
        both["ice_template"] = {"type": "PromptTemplate", "template": own}
    return both


def make_model(folder: Path) -> Path:
    """A tiny Llama whose weights no library's random numbers decide, and the recorded tokenizer."""
    import numpy as np
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(GOLDEN / "tokenizer.json"), bos_token="<s>", eos_token="</s>"
    )
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=320,
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=512,
            bos_token_id=0,
            eos_token_id=1,
        )
    )
    with torch.no_grad():
        for name, values in model.named_parameters():
            drawn = np.random.RandomState(zlib.crc32(name.encode())).normal(0, 0.3, values.shape)
            values.copy_(torch.tensor(np.ones(values.shape) if "norm" in name else drawn))
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    settings = folder / "tokenizer_config.json"
    text = settings.read_text().replace('"TokenizersBackend"', '"PreTrainedTokenizerFast"')
    settings.write_text(text)
    return folder
