"""Checkpoints as trainers write them: real safetensors, whole or half-written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy
from safetensors.numpy import save_file

INDEX = "model.safetensors.index.json"


def write_checkpoint(folder: Path, seed: int = 0, shards: int = 1, tokenizer: bool = True) -> Path:
    """A model folder in Hugging Face's layout, in the order in which ``save_pretrained`` writes.

    :param seed: other weights for another one.
    :param shards: 1 for one file without an index.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    names = shard_names(shards)
    for number, name in enumerate(names):
        save_file(_tensors(seed, number), folder / name)
    if shards > 1:
        table = {tensor: name for number, name in enumerate(names) for tensor in _tensors(seed, number)}
        (folder / INDEX).write_text(json.dumps({"metadata": {"total_size": 0}, "weight_map": table}))
    if tokenizer:
        (folder / "tokenizer.json").write_text("{}")
    return folder


def shard_names(shards: int) -> list[str]:
    """As ``save_pretrained`` names them."""
    if shards == 1:
        return ["model.safetensors"]
    return [f"model-{number:05}-of-{shards:05}.safetensors" for number in range(1, shards + 1)]


def truncate(file: Path, missing: int = 8) -> None:
    """Cut off the file's last bytes."""
    os.truncate(file, file.stat().st_size - missing)


def _tensors(seed: int, number: int) -> dict[str, numpy.ndarray]:
    drawn = numpy.random.default_rng([seed, number])
    return {f"layers.{number}.{part}": drawn.random((4, 8), dtype=numpy.float32) for part in ("up", "down")}
