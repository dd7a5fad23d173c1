"""What each kind of ranking asks a model to score, and what its scores say: OpenCompass's prediction entries.

A form makes token ids of all its requests in one batch. Nothing here knows how they are scored.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from inference.alternatives import Alternatives, Surprises
from inference.options import MEAN_ALL, option_of, parting
from inference.problems import InputProblem
from inference.requests import ChoiceRequest, RankingRequest, SurpriseRequest
from inference.tokens import Encoded, Tokens

Asking = TypeVar("Asking", contravariant=True)


@dataclass(frozen=True)
class Asked:
    """One item as the model sees it.

    :param alternatives: its texts, each once.
    :param numbers: for each label or choice, which of them is its text.
    :param begins: for each label or choice, the first token of its own end.
    :param place: the first character of these ends in the prompts; -1 where they begin at different ones.
    :param truncated: whether a prompt was cut to fit the window.
    :param merged: prompts in which a token lies across the place where the end begins.
    """

    alternatives: Alternatives
    numbers: tuple[int, ...]
    begins: tuple[int, ...]
    place: int = -1
    truncated: bool = False
    merged: int = 0

    def of_each(self, found: Sequence[Surprises]) -> list[Surprises]:
        """What was found of the texts, label by label."""
        return [found[number] for number in self.numbers]

    def ends(self, found: Sequence[Surprises]) -> list[tuple[float, int, bool]]:
        """Of each label's or choice's own end: log-probability, tokens, and whether it is greedy."""
        told = []
        for surprises, begin in zip(self.of_each(found), self.begins, strict=True):
            skip = max(0, begin - self.alternatives.start)
            told.append((surprises.total(skip), max(0, len(surprises.log_probs) - skip), surprises.is_greedy(skip)))
        return told


class Form(Protocol, Generic[Asking]):
    """A kind of ranking."""

    def ask(self, requests: Sequence[Asking], tokens: Tokens) -> list[Asked]:
        """All requests of a part as token ids.

        :raises InputProblem: a request cannot be asked.
        """

    def entry(self, request: Asking, asked: Asked, found: Sequence[Surprises], tokens: Tokens) -> dict[str, Any]:
        """The prediction file's entry.

        :raises InputProblem: a score is no number.
        """


class Perplexities:
    """``PPLInferencer``: the label whose whole prompt has the lowest mean surprise, or whose end scores best by a rule.

    PPL = sum of -log p(next token) / number of the prompt's tokens, the first one included (so n - 1 terms divided by
    n; OpenCompass, ``HuggingFaceBaseModel.get_ppl``).

    :param rule: of ``inference.options``. By any but ``mean_all``, what all prompts begin with is not scored.
    """

    def __init__(self, rule: str = MEAN_ALL) -> None:
        self._rule = rule

    def ask(self, requests: Sequence[RankingRequest], tokens: Tokens) -> list[Asked]:
        """Every label's whole prompt."""
        return [
            self._asked([tokens.text(prompt) for prompt in request.prompts], rows, tokens)
            for request, rows in zip(requests, _encoded(requests, tokens), strict=True)
        ]

    def _asked(self, texts: list[str], rows: list[Encoded], tokens: Tokens) -> Asked:
        place = parting(texts)
        begins = [max(1, tokens.split(text, row, place)) for text, row in zip(texts, rows, strict=True)]
        return _asked(rows, begins, 1 if self._rule == MEAN_ALL else min(begins), place)

    def entry(
        self, request: RankingRequest, asked: Asked, found: Sequence[Surprises], tokens: Tokens
    ) -> dict[str, Any]:
        """PPL and BPB of each label, and its own end for other normalisations."""
        texts = [tokens.text(prompt) for prompt in request.prompts]
        ends = zip(texts, asked.ends(found), strict=True)
        options = [
            option_of(text, asked.place, total, count, greedy=is_greedy) for text, (total, count, is_greedy) in ends
        ]
        if self._rule != MEAN_ALL:
            scores = [option.score(self._rule) for option in options]
            check_numbers(request.index, "score", scores)
            own = [{"option": option.entry()} for option in options]
            return ranked(request, tokens, own, best=scores.index(max(scores)))
        sums = [0.0 - surprises.total() for surprises in asked.of_each(found)]  # not minus: a single token has 0.0
        counts = [len(asked.alternatives.texts[number]) for number in asked.numbers]
        values = [total / count for total, count in zip(sums, counts, strict=True)]
        check_numbers(request.index, "PPL", values)
        fields: list[dict[str, Any]] = []
        for number, option in enumerate(options):
            # OpenCompass's "BPB" is in nats per byte; it has no ln 2.
            size = len(tokens.text(request.bare_prompts[number]).encode("utf-8", "surrogatepass"))
            fields.append({"PPL": values[number], "BPB": sums[number] / max(1, size), "option": option.entry()})
        return ranked(request, tokens, fields, best=values.index(min(values)), with_origin=True)


class Likelihoods:
    """``LLInferencer``: the label with whose prompt the dataset's ``cont``, its end, is most probable.

    Loglikelihood = sum of log p over the tokens of ``cont``, given all before (OpenCompass, ``HuggingFace`` models).
    """

    def ask(self, requests: Sequence[RankingRequest], tokens: Tokens) -> list[Asked]:
        """Every label's whole prompt, scored from where ``cont`` begins."""
        return [
            self._asked(request, rows, tokens)
            for request, rows in zip(requests, _encoded(requests, tokens), strict=True)
        ]

    @staticmethod
    def _asked(request: RankingRequest, rows: list[Encoded], tokens: Tokens) -> Asked:
        texts = [tokens.text(prompt) for prompt in request.prompts]
        places = [text.rfind(str(request.continuation)) for text in texts]
        if min(places) < 0:
            raise InputProblem(f"row {request.index}: a prompt does not hold its continuation {request.continuation!r}")
        each = list(zip(texts, rows, places, strict=True))
        begins = [max(1, tokens.split(text, row, place)) for text, row, place in each]
        merged = sum(row.is_merged(place) for _, row, place in each)
        return _asked(rows, begins, min(begins), merged=merged)

    def entry(
        self, request: RankingRequest, asked: Asked, found: Sequence[Surprises], tokens: Tokens
    ) -> dict[str, Any]:
        """The sum for each label, its tokens and whether they are greedy."""
        ends = asked.ends(found)
        check_numbers(request.index, "log-likelihood", [total for total, _, _ in ends])
        texts = [tokens.text(prompt) for prompt in request.prompts]
        fields = []
        for text, (total, count, is_greedy) in zip(texts, ends, strict=True):
            option = option_of(text, text.rfind(str(request.continuation)), total, count, greedy=is_greedy)
            fields.append({"Loglikelihood": total, "option": option.entry()})
        sums = [total for total, _, _ in ends]
        return ranked(request, tokens, fields, best=sums.index(max(sums)))


class Choices:
    """``CLPInferencer``: the probability of each choice as the prompt's continuation, beside that of the others.

    :param single_token: refuse choices of several tokens, whose probability is the product over them.
    """

    def __init__(self, *, single_token: bool = True) -> None:
        self._single_token = single_token

    def ask(self, requests: Sequence[ChoiceRequest], tokens: Tokens) -> list[Asked]:
        """The prompt with each choice behind it; choices are tokenised by themselves, as OpenCompass does."""
        prompts = tokens.encode([request.prompt for request in requests])
        known = list(dict.fromkeys(choice for request in requests for choice in request.choices))
        ids = dict(zip(known, tokens.continuations(known), strict=True))
        for choice, own in ids.items():
            if not own or (self._single_token and len(own) > 1):
                raise InputProblem(
                    f"choice {choice!r} has {len(own)} tokens, and a CLPInferencer compares single ones; choose other "
                    "words, or set its single_token=False to compare the products over all their tokens"
                )
        return [
            _asked(
                [Encoded(prompt.ids + ids[choice], prompt.truncated) for choice in request.choices],
                [len(prompt.ids)] * len(request.choices),
                len(prompt.ids),
            )
            for request, prompt in zip(requests, prompts, strict=True)
        ]

    def entry(self, request: ChoiceRequest, asked: Asked, found: Sequence[Surprises], tokens: Tokens) -> dict[str, Any]:
        """The probabilities as prediction, and the number of the greatest."""
        sums = [total for total, _, _ in asked.ends(found)]
        check_numbers(request.index, "log-probability", sums)
        return chosen(request, tokens, probabilities(sums))


class Texts:
    """``PPLOnlyInferencer``: the mean surprise of each text, as ``PPLInferencer`` takes it."""

    def ask(self, requests: Sequence[SurpriseRequest], tokens: Tokens) -> list[Asked]:
        """The text alone."""
        rows = tokens.encode([request.prompt for request in requests])
        return [_asked([row], [1], 1) for row in rows]

    def entry(
        self, request: SurpriseRequest, asked: Asked, found: Sequence[Surprises], tokens: Tokens
    ) -> dict[str, Any]:
        """The text and its PPL."""
        (text,) = asked.alternatives.texts
        value = (0.0 - found[0].total()) / len(text)
        check_numbers(request.index, "PPL", [value])
        return {"origin_prompt": request.shown, "ppl": value}


def ranked(
    request: RankingRequest, tokens: Tokens, fields: Sequence[dict[str, Any]], best: int, *, with_origin: bool = False
) -> dict[str, Any]:
    """The entry of a request with labels.

    :param fields: what is said of each label.
    :param best: number of the chosen label.
    :param with_origin: name the first label's prompt without examples first, as rankings by PPL do.
    """
    bare = [tokens.text(prompt) for prompt in request.bare_prompts]
    entry: dict[str, Any] = {"in-context examples": request.ice}
    if with_origin:
        entry["origin_prompt"] = bare[0]
    for number, label in enumerate(request.labels):
        prompts = {"testing input": bare[number], "prompt": tokens.text(request.prompts[number])}
        entry[f"label: {label}"] = prompts | fields[number]
    entry["prediction"] = request.labels[best]
    return entry if request.gold is None else {**entry, "gold": request.gold}


def chosen(request: ChoiceRequest, tokens: Tokens, values: list[float]) -> dict[str, Any]:
    """The entry of a request with choices.

    :param values: the probability of each.
    """
    return {
        "in-context examples": request.ice,
        "testing input": tokens.text(request.bare_prompt),
        "prompt": tokens.text(request.prompt),
        "choices": list(request.choices),
        "prediction": values,
        "pred_label": values.index(max(values)),
        "gold": request.gold,
    }


def probabilities(log_probs: Sequence[float]) -> list[float]:
    """Shares of a whole, from logarithms."""
    most = max(log_probs)
    parts = [math.exp(value - most) for value in log_probs]
    return [part / math.fsum(parts) for part in parts]


def _encoded(requests: Sequence[RankingRequest], tokens: Tokens) -> list[list[Encoded]]:
    prompts = [prompt for request in requests for prompt in request.prompts]
    rows = iter(tokens.encode(prompts, with_spans=True))
    return [[next(rows) for _ in request.prompts] for request in requests]


def _asked(rows: list[Encoded], begins: list[int], start: int, place: int = -1, merged: int = 0) -> Asked:
    """Equal rows are scored once: in batches of different width they would differ in the last bits."""
    texts = tuple(dict.fromkeys(row.ids for row in rows))
    return Asked(
        alternatives=Alternatives(texts, start),
        numbers=tuple(texts.index(row.ids) for row in rows),
        begins=tuple(begins),
        place=place,
        truncated=any(row.truncated for row in rows),
        merged=merged or sum(row.is_merged(place) for row in rows if place >= 0),
    )


def check_numbers(index: int, what: str, values: Sequence[float]) -> None:
    """Refuse an item one of whose scores is no number: the least of them would say nothing.

    :param index: row among the dataset's selected rows.
    :raises InputProblem: one is not finite.
    """
    if not all(math.isfinite(value) for value in values):
        raise InputProblem(
            f"row {index}: the {what} of a label is {list(values)}; the weights or their dtype overflow, "
            "set torch_dtype to bfloat16 or float32 or check the checkpoint"
        )
