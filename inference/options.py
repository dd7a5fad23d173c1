"""Where the prompts of an item's labels part, and what the parting ends are worth by each rule.

Rules, with the names that harnesses use: ``mean_all`` is OpenCompass's (the mean surprise of the whole prompt is
lowest); ``sum`` (``acc``), ``char`` (``acc_norm``) and ``byte`` (``acc_bytes``) are lm-evaluation-harness's; ``mean``
is the sum over the option's tokens divided by their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inference.alternatives import common_length
from inference.problems import InputProblem

MEAN_ALL = "mean_all"
RULES = (MEAN_ALL, "sum", "mean", "char", "byte")
_IDEOGRAPHS = 0x2E80
"""From here on in Unicode, words are not kept apart by spaces."""


@dataclass(frozen=True)
class Option:
    """The end of a prompt that is its label's own; from this, every normalisation can be recomputed without a GPU.

    :param sum: log-probability of the end given what stands before it, nats.
    :param tokens: tokens of it.
    :param characters: characters of it, a leading space included.
    :param bytes: bytes of it in UTF-8.
    :param greedy: whether a greedy continuation would have been all of it.
    """

    sum: float
    tokens: int
    characters: int
    bytes: int
    greedy: bool

    def entry(self) -> dict[str, Any]:
        """As a prediction file holds it."""
        return asdict(self)

    def score(self, rule: str) -> float:
        """What it is worth by one of the rules other than ``mean_all``, in nats per unit; more is better."""
        units = {"sum": 1, "mean": self.tokens, "char": self.characters, "byte": self.bytes}
        return self.sum / max(1, units[rule])


def option_of(text: str, place: int, total: float, tokens: int, *, greedy: bool) -> Option:
    """The option that begins at a place of a prompt."""
    own = text[place:]
    return Option(total, tokens, len(own), len(own.encode("utf-8", "surrogatepass")), greedy)


def parting(texts: Sequence[str]) -> int:
    """Where the first word begins that is not in all texts alike, in characters; the space before it is the word's.

    Every text has something from there on. Where words are not kept apart by spaces, it is the first character.
    """
    first = texts[0]
    place = max(0, min(common_length(texts), min(map(len, texts)) - 1))
    while 0 < place < len(first) and _in_word(first[place - 1]):
        place -= 1
    return place - 1 if place and first[place - 1] == " " else place


def read_rule(inferencer_cfg: dict[str, Any]) -> str:
    """By which rule labels are compared: the inferencer's ``rule``, ``mean_all`` when it says none.

    :raises InputProblem: there is no such rule.
    """
    rule = str(inferencer_cfg.get("rule") or MEAN_ALL)
    if rule not in RULES:
        raise InputProblem(f"infer_cfg.inferencer.rule is {rule!r}; choose one of {', '.join(RULES)}")
    return rule


def _in_word(character: str) -> bool:
    return character.isalnum() and ord(character) < _IDEOGRAPHS
