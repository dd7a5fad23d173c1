"""Pure requests: what the engine answers, one per selected dataset row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Union

Prompt = Union[str, list[dict[str, Any]]]
"""A rendered prompt: text for language models, a list of turns for chat models."""


@dataclass(frozen=True)
class GenerationRequest:
    """Continue a prompt.

    :param index: row among the dataset's selected rows, from 0.
    :param prompt: rendered by the model's meta template.
    :param gold: the reference, as the reader's output column holds it; None when there is none.
    """

    index: int
    prompt: Prompt
    gold: Any = None


@dataclass(frozen=True)
class RankingRequest:
    """Choose the label whose prompt is the least surprising.

    :param index: row among the dataset's selected rows, from 0.
    :param labels: the labels in the template's order.
    :param prompts: one full prompt per label.
    :param bare_prompts: the same without in-context examples (OpenCompass's ``testing input``).
    :param ice: the in-context examples.
    :param gold: the reference, or None.
    """

    index: int
    labels: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    bare_prompts: tuple[Prompt, ...]
    ice: str = ""
    gold: Any = None


Request = Union[GenerationRequest, RankingRequest]
