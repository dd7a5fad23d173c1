"""How many tokens a device computes at once, and less after it had no memory for so many.

Batches stay as they were planned, and so does the width their rows are padded to: only how many rows of a batch are
computed together changes, and with it no answer. What was too much is remembered by shape of model and kind of device,
so that the next job starts with what fits.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from inference.model import device_name
from inference.problems import InputProblem
from opencompass_ops.contract import codec, variables
from opencompass_ops.contract.files import LocalFiles

Item = TypeVar("Item")
Found = TypeVar("Found")

_ON_CPU, _ON_GPU = 1024, 16384
"""Tokens at once: on a CPU as many as its caches like, on a GPU as many as keep it busy."""


def batch_tokens(model_cfg: dict[str, Any]) -> int:
    """Padded tokens that a batch may have: the model's ``batch_tokens``, or a number for the device.

    :raises InputProblem: it is no positive whole number.
    """
    wanted = model_cfg.get("batch_tokens")
    if wanted is None:
        return _ON_GPU if torch.cuda.is_available() else _ON_CPU
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        raise InputProblem(
            f"model {model_cfg.get('abbr', '?')}: batch_tokens is {wanted!r}; give the padded tokens of a batch, at "
            "least 1"
        )
    return wanted


class Pressure:
    """What the device has memory for.

    :param tokens: padded tokens of a batch as planned.
    :param shape: what tells how much memory a token takes, plain JSON: the model's config and dtype.
    """

    def __init__(self, tokens: int, shape: Any = None) -> None:
        self._name = f"batch_tokens/{codec.digest([shape, device_name()])}.json"
        scale = float(os.environ.get(variables.BATCH_SCALE) or 1)
        self.tokens = max(1, int(min(tokens, self._remembered() or tokens) * scale))

    def compute(self, rows: Sequence[Item], width: int, do: Callable[[Sequence[Item]], list[Found]]) -> list[Found]:
        """What ``do`` says of all rows, asked for as many of them at once as the device has memory for.

        :param width: tokens of each row.
        :raises torch.OutOfMemoryError: there is not enough for one row.
        """
        found: list[Found] = []
        while len(found) < len(rows):
            count = min(max(1, self.tokens // width), len(rows) - len(found))
            piece = _try(do, rows[len(found) : len(found) + count], alone=count == 1)
            if piece is None:
                self._halve(count * width)
            else:
                found += piece
        return found

    def _halve(self, failed: int) -> None:
        self.tokens = max(1, failed // 2)
        print(f"the device has no memory for {failed} tokens at once; going on with {self.tokens}", flush=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        try:
            _cache().write(self._name, json.dumps({"tokens": self.tokens, "device": device_name()}))
        except OSError as error:
            print(f"this is not remembered: {error}", flush=True)

    def _remembered(self) -> int | None:
        try:
            return int(json.loads(_cache().read(self._name))["tokens"])
        except (OSError, ValueError, KeyError, TypeError):
            return None  # a damaged memory is no memory


def _try(do: Callable[[Sequence[Item]], list[Found]], rows: Sequence[Item], *, alone: bool) -> list[Found] | None:
    """None where memory ran out; the handler has ended then, and holds no tensors any more."""
    try:
        return do(rows)
    except torch.OutOfMemoryError:
        if alone:
            raise
        return None


def _cache() -> LocalFiles:
    return LocalFiles(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "opencompass-ops")
