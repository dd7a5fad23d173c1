"""``python -m demo.train``: write the tasks' data, and train a tiny model on them, saving checkpoints."""

from __future__ import annotations

import argparse
import json
import math
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from demo.model import make_model, make_tokenizer, save
from demo.tasks import Example, make_tasks, write_data

REVISION = 2
"""Raised when the same settings would train another model."""

MARKS = (0.08, 0.16, 0.3, 0.6, 1.0)
"""Shares of the steps after which a checkpoint is saved, besides the untrained one."""

STEPS = 800
"""Both tasks are learned by then, in less than a minute on two cores."""

IGNORED = -100  # the label that the loss leaves out


@dataclass(frozen=True)
class Settings:
    """What determines the checkpoints.

    :param steps: of the optimizer; so many, and not so many seconds, because a busy machine shall not teach less.
    """

    steps: int = STEPS
    seed: int = 1
    batch: int = 64
    learning_rate: float = 1e-3
    revision: int = REVISION


def train(out: Path, data: Path, settings: Settings) -> list[Path]:
    """Write data and checkpoints, unless the same settings made them before; returns the checkpoints in order."""
    tasks = make_tasks(settings.seed)
    write_data(tasks, data, settings.seed)
    marker = out / "settings.json"
    if marker.exists() and json.loads(marker.read_text()) == asdict(settings):
        kept = sorted(out.glob("step-*"))
        print(f"Kept {len(kept)} checkpoints in {out}: they were trained with the same settings", flush=True)
        return kept
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    tokenizer = make_tokenizer(example.line for example in tasks.sums + tasks.facts)
    model = make_model(tokenizer, settings.seed)
    size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    print(
        f"Training {size:.2f} million parameters on {torch.get_num_threads()} cores in {settings.steps} steps",
        flush=True,
    )
    batches = _batches(tokenizer, tasks.sums, tasks.facts, settings)
    _train(model, tokenizer, batches, out, settings)
    marker.write_text(json.dumps(asdict(settings)))
    return sorted(out.glob("step-*"))


def _train(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    batches: Iterator[tuple[torch.Tensor, torch.Tensor]],
    out: Path,
    settings: Settings,
) -> None:
    """Step, and save a checkpoint at each mark."""
    save(model, tokenizer, out / "step-000000")
    optimizer = torch.optim.AdamW(model.parameters(), settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    marks = {max(1, round(mark * settings.steps)) for mark in MARKS}
    start = time.monotonic()
    for step in range(1, settings.steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings.steps)
        tokens, labels = next(batches)
        loss = model(input_ids=tokens, labels=labels, use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step in marks:
            save(model, tokenizer, out / f"step-{step:06d}")
            print(f"  step {step:5d}  loss {loss.item():.3f}  {time.monotonic() - start:3.0f} s", flush=True)


def _schedule(step: int, steps: int) -> float:
    """Share of the learning rate: up over 20 steps, then down along a cosine to almost nothing."""
    return min(1.0, step / 20) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def _batches(
    tokenizer: PreTrainedTokenizerFast, sums: list[Example], facts: list[Example], settings: Settings
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless batches: five of sums, then one of facts; separate, since their lengths differ."""
    rng = random.Random(settings.seed)
    streams = [_stream(rng, [_encode(tokenizer, example) for example in examples]) for examples in (sums, facts)]
    turn = 0
    while True:
        stream = streams[1] if turn % 6 == 5 else streams[0]
        yield _pad([next(stream) for _ in range(settings.batch)], tokenizer.pad_token_id)
        turn += 1


def _stream(rng: random.Random, items: list[tuple[list[int], int]]) -> Iterator[tuple[list[int], int]]:
    """All items in random order, again and again."""
    while True:
        yield from rng.sample(items, len(items))


def _encode(tokenizer: PreTrainedTokenizerFast, example: Example) -> tuple[list[int], int]:
    """Tokens of one line, ended by EOS, and how many of them the model is given."""
    prompt = tokenizer(example.question)["input_ids"]
    line = tokenizer(example.line)["input_ids"]
    return [*line, tokenizer.eos_token_id], len(prompt)


def _pad(items: list[tuple[list[int], int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Equally long token rows, and labels that ask for the answers only: questions are random, nothing to learn."""
    width = max(len(tokens) for tokens, _ in items)
    tokens = torch.tensor([line + [pad] * (width - len(line)) for line, _ in items])
    labels = tokens.clone()
    for row, (line, given) in enumerate(items):
        labels[row, :given] = IGNORED
        labels[row, len(line) :] = IGNORED
    return tokens, labels


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m demo.train", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(".demo/checkpoints"))
    parser.add_argument("--data", type=Path, default=Path())
    parser.add_argument("--steps", type=int, default=Settings.steps)
    parser.add_argument("--seed", type=int, default=Settings.seed)
    chosen = parser.parse_args()
    train(chosen.out, chosen.data, Settings(steps=chosen.steps, seed=chosen.seed))


if __name__ == "__main__":
    main()
