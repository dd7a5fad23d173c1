"""Requests that are answered by scores: a form asks, the scorer scores, and the form tells what that means.

Rows are padded on the right, so each has the score it has alone. OpenCompass pads on the left and there also scores the
first token of a padded row; ``opencompass_compat=True`` brings its numbers back, see ``inference.compat``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inference.answerer import Failed
from inference.forms import Form
from inference.pressure import Pressure
from inference.problems import InputProblem
from inference.scorer import Scorer
from inference.tokens import Tokens


class Ranking:
    """The scored requests of one part.

    :param model: a transformers causal language model.
    :param tokens: its tokenizer.
    :param form: what is asked of it.
    :param requests: one per item of the part, of the form's kind.
    :param budget: padded tokens of a batch.
    :param pressure: what the device has memory for, None for all that is planned.
    """

    def __init__(
        self,
        model: Any,
        tokens: Tokens,
        form: Form[Any],
        requests: Sequence[Any],
        budget: int,
        pressure: Pressure | None = None,
    ) -> None:
        self._tokens = tokens
        self._form = form
        self._requests = requests
        self._asked = form.ask(requests, tokens)
        self._scorer = Scorer(
            model, [asked.alternatives for asked in self._asked], budget, pressure or Pressure(budget)
        )
        self.truncated = [asked.truncated for asked in self._asked]
        self.batches = self._scorer.batches

    @property
    def token_count(self) -> int:
        """Tokens read so far."""
        return self._scorer.token_count

    @property
    def notes(self) -> list[str]:
        """What the log should say of how this part is computed."""
        merged = sum(asked.merged for asked in self._asked)
        notes = [f"BOS {self._tokens.bos}", f"read once: {self._scorer.sharing}"]
        return [*notes, f"{merged} prompts have a token across the place where the option begins"] if merged else notes

    def answer(self, batch: Sequence[int]) -> list[dict[str, Any] | Failed]:
        """The prediction file's entries of a batch of items, in its order."""
        scored = self._scorer.score(batch)
        return [self._entry(number, found) for number, found in zip(batch, scored, strict=True)]

    def _entry(self, number: int, found: Any) -> dict[str, Any] | Failed:
        try:
            return self._form.entry(self._requests[number], self._asked[number], found, self._tokens)
        except InputProblem as problem:
            return Failed(str(problem))
