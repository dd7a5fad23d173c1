"""Pure requests: what the engine answers, one per selected dataset row.

They hold prompts as text, rendered for the kind of model, and nothing of how they are computed: what is asked of the
model itself is made of them by ``inference.generation`` (ids to continue) and ``inference.forms`` (ids to score).
"""

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
    """Choose the label whose prompt is the least surprising, or whose end is the most probable.

    :param index: row among the dataset's selected rows, from 0.
    :param labels: the labels in the template's order.
    :param prompts: one full prompt per label.
    :param bare_prompts: the same without in-context examples (OpenCompass's ``testing input``).
    :param ice: the in-context examples.
    :param gold: the reference, or None.
    :param continuation: the prompts' end whose probability counts, None where the whole prompts are compared.
    """

    index: int
    labels: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    bare_prompts: tuple[Prompt, ...]
    ice: str = ""
    gold: Any = None
    continuation: str | None = None


@dataclass(frozen=True)
class ChoiceRequest:
    """How probable each of some continuations of one prompt is beside the others.

    :param index: row among the dataset's selected rows, from 0.
    :param prompt: rendered by the model's meta template.
    :param bare_prompt: the same without in-context examples.
    :param choices: what may follow.
    :param ice: the in-context examples.
    :param gold: the reference, or None.
    """

    index: int
    prompt: Prompt
    bare_prompt: Prompt
    choices: tuple[str, ...]
    ice: str = ""
    gold: Any = None


@dataclass(frozen=True)
class SurpriseRequest:
    """How surprising a text is.

    :param index: row among the dataset's selected rows, from 0.
    :param prompt: the text.
    :param shown: the text as OpenCompass's prediction file shows it: rendered as for a generation.
    """

    index: int
    prompt: Prompt
    shown: Prompt


ScoredRequest = Union[RankingRequest, ChoiceRequest, SurpriseRequest]
"""What is answered by scores of texts that are there, without any generation."""

Request = Union[GenerationRequest, ScoredRequest]
