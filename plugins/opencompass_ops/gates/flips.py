"""The items that a checkpoint lost or gained, so that people can read ten of them instead of believing a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opencompass_ops.gates.beside import answers, prompts
from opencompass_ops.results.rows import SampleRow, ScoreRow

KEPT = 20
"""Items of each kind that are kept of a dataset."""

SNIPPET = 160
"""Characters of a text that are kept."""

LOST, GAINED = "lost", "gained"


@dataclass(frozen=True)
class Flip:
    """One item whose score changed.

    :param row: what the scorer calls it, "" when nothing.
    :param prompt: the end of what was asked, "" where results keep no details.
    :param reference_answer: what the reference predicted, shortened; "" when its file is gone.
    :param answer: what the candidate predicted.
    :param gold: what was expected.
    """

    change: str
    idx: int
    row: str
    prompt: str
    reference_answer: str
    answer: str
    gold: str


@dataclass(frozen=True)
class Items:
    """The scores of the same items of two evaluations, in the same order."""

    rows: tuple[tuple[int, str], ...]
    reference: tuple[float, ...]
    candidate: tuple[float, ...]


def align(reference: Sequence[SampleRow], candidate: Sequence[SampleRow]) -> Items | None:
    """Both evaluations' items side by side; None unless both scored exactly the same ones."""
    old, new = {sample.idx: sample for sample in reference}, {sample.idx: sample for sample in candidate}
    if not old or old.keys() != new.keys() or any(old[idx].row != new[idx].row for idx in old):
        return None
    scores = [(old[idx].score, new[idx].score) for idx in new]
    known = [(a, b) for a, b in scores if a is not None and b is not None]
    if len(known) != len(scores):
        return None
    rows = tuple((idx, new[idx].row) for idx in new)
    return Items(rows, tuple(a for a, _ in known), tuple(b for _, b in known))


def flips_of(items: Items, reference: ScoreRow, candidate: ScoreRow, *, lower_is_better: bool) -> list[Flip]:
    """Lost items first, at most :data:`KEPT` of each kind, with what both said where the files are still there."""
    sign = -1 if lower_is_better else 1
    changes = [sign * (new - old) for old, new in zip(items.reference, items.candidate, strict=True)]
    lost = [at for at, change in enumerate(changes) if change < 0][:KEPT]
    gained = [at for at, change in enumerate(changes) if change > 0][:KEPT]
    if not lost and not gained:
        return []
    old, new, asked = answers(reference), answers(candidate), prompts(candidate)
    chosen = [(LOST, items.rows[at]) for at in lost] + [(GAINED, items.rows[at]) for at in gained]
    return [
        _flip(change, idx, row, asked.get(str(idx)), old.get(idx, {}), new.get(idx, {}))
        for change, (idx, row) in chosen
    ]


def _flip(change: str, idx: int, row: str, prompt: Any, old: Mapping[str, Any], new: Mapping[str, Any]) -> Flip:
    return Flip(
        change=change,
        idx=idx,
        row=_snippet(row),
        prompt=_end(prompt),
        reference_answer=_snippet(old.get("prediction")),
        answer=_snippet(new.get("prediction")),
        gold=_snippet(new.get("reference", old.get("reference"))),
    )


def _end(prompt: Any) -> str:
    """The question stands at the end; before it are examples that all items share."""
    said = _plain(prompt)
    return said if len(said) <= SNIPPET else "…" + said[1 - SNIPPET :]


def _plain(value: Any) -> str:
    if isinstance(value, list):
        value = " ".join(str(turn.get("prompt", turn)) if isinstance(turn, Mapping) else str(turn) for turn in value)
    said = "" if value is None else str(value)
    return " ".join("".join(c if c.isprintable() else " " for c in said).split())


def _snippet(value: Any) -> str:
    text = _plain(value)
    return text if len(text) <= SNIPPET else text[: SNIPPET - 1] + "…"
