"""The reference: one row at a time, nothing shared, nothing padded, nothing imported from inference/."""

from __future__ import annotations

from typing import Any

import torch


def load(folder: Any) -> tuple[Any, Any]:
    """Model and tokenizer of a checkpoint, float32 on the CPU."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(
        folder
    )


def continue_text(model: Any, tokenizer: Any, text: str, count: int, stops: tuple[str, ...] = ()) -> str:
    """Greedy: the whole text is read again for every token; ends at EOS or at the first stop string."""
    ids = tokenizer(text)["input_ids"]
    added: list[int] = []
    while len(added) < count:
        with torch.no_grad():
            token = int(model(torch.tensor([ids + added])).logits[0, -1].argmax())
        if token == tokenizer.eos_token_id:
            break
        added.append(token)
        said = tokenizer.decode(added, skip_special_tokens=True)
        for end in range(1, len(said) + 1):
            if any(said[:end].endswith(stop) for stop in stops):
                return min((said[: said.index(stop)] for stop in stops if stop in said), key=len)
    return str(tokenizer.decode(added, skip_special_tokens=True))


def perplexity(model: Any, tokenizer: Any, text: str) -> float:
    """Mean surprise as OpenCompass takes it: n - 1 predicted tokens, divided by all n."""
    ids = tokenizer(text)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double()
    total = 0.0
    for place in range(1, len(ids)):
        total -= float(torch.log_softmax(logits[place - 1], 0)[ids[place]])
    return total / len(ids)
