"""A digest in one language: a title, lines with a rank each, links; for no service yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial

from opencompass_ops.clusters.narration import in_words
from opencompass_ops.messages.digest import FAIL, PASS, Digest, Gate, GateFinding, Kind, ScoreLine
from opencompass_ops.messages.grouping import Group, group
from opencompass_ops.messages.words import phrase

FIRST, NEXT, LAST = 0, 1, 2
"""Ranks: when a message is too long, lines of the highest rank go first, those at the end before those above."""

GROUPS = 8
"""Reasons that are told; the rest is counted."""
NAMED = 3
"""Shards named per reason."""
LINE = 400
"""Characters of a line; the end of a long one is cut."""
TITLE = 140
"""Characters of a title: Slack's header takes 150."""
URL = 1000
"""A longer address is left out: an address that is cut leads nowhere."""
LINKS = 5
"""More are left out."""


class Tone(str, Enum):
    """How the message looks."""

    INFO = "info"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True)
class Line:
    """One line.

    :param label: stands before it, in bold where there is bold; "" for none.
    :param rank: one of :data:`FIRST`, :data:`NEXT`, :data:`LAST`.
    """

    text: str
    label: str = ""
    rank: int = FIRST


@dataclass(frozen=True)
class Message:
    """What is rendered.

    :param links: label and address of each.
    """

    title: str
    tone: Tone
    lines: tuple[Line, ...]
    links: tuple[tuple[str, str], ...] = ()
    language: str = "en"

    def shortened(self, kept: int) -> Message:
        """The message with its ``kept`` most important lines, and a line that counts the others."""
        if kept >= len(self.lines):
            return self
        order = sorted(range(len(self.lines)), key=lambda place: (self.lines[place].rank, place))
        chosen = tuple(self.lines[place] for place in sorted(order[:kept]))
        cut = Line(phrase(self.language, "cut", count=len(self.lines) - kept))
        return replace(self, lines=(*chosen, cut))


def compose(digest: Digest, language: str) -> Message:
    """The message about a digest.

    :param language: one of :data:`words.LANGUAGES`.
    """
    say = partial(phrase, language)
    lines = [_tidy(line) for line in _lines(digest, language)]
    links = [(say(link.what), link.url) for link in digest.links if len(link.url) <= URL]
    title = clip(say(_title(digest), name=digest.name), TITLE)
    return Message(title, _tone(digest), tuple(line for line in lines if line.text), tuple(links), language)


def plain(title: str, text: str, tone: str, links: Mapping[str, str], language: str) -> Message:
    """A message of one's own words, one line for each of the text's.

    :raises ValueError: there is no such tone.
    """
    lines = [Line(line, rank=min(number, LAST)) for number, line in enumerate(text.splitlines())]
    kept = tuple(tidy for line in lines if (tidy := _tidy(line)).text)
    addresses = tuple((clip(label, TITLE), url) for label, url in links.items() if 0 < len(url) <= URL)[:LINKS]
    return Message(clip(title, TITLE), Tone(tone), kept, addresses, language)


def clip(text: str, limit: int) -> str:
    """One line of at most ``limit`` characters, without control characters."""
    flat = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"


def _tidy(line: Line) -> Line:
    return replace(line, text=clip(line.text, LINE), label=clip(line.label, LINE))


def _title(digest: Digest) -> str:
    """What a person is asked, or the gate, of a whole run is its headline; the gate of a failed one is a line."""
    if digest.promotion and digest.kind in (Kind.GATE, Kind.SUCCESS):
        return f"promotion_{digest.promotion.answer.value}"
    if digest.kind in (Kind.GATE, Kind.SUCCESS) and digest.gate:
        return f"gate_{_outcome(digest.gate.outcome)}"
    return digest.kind.value


def _tone(digest: Digest) -> Tone:
    if digest.is_bad:
        return Tone.WARN if digest.kind in (Kind.HANG, Kind.BUDGET) else Tone.BAD
    if digest.needs_somebody or (digest.gate and digest.gate.outcome != PASS):
        return Tone.WARN
    return Tone.INFO if digest.kind is Kind.START else Tone.GOOD


def _lines(digest: Digest, language: str) -> Iterator[Line]:
    say = partial(phrase, language)
    yield from (Line(note, say("note")) for note in digest.notes[:GROUPS])
    if digest.kind is not Kind.START and digest.pairs[1]:
        yield Line(say("of_pairs", done=digest.pairs[0], total=digest.pairs[1]), say("pairs"))
    if digest.promotion:
        asked = digest.promotion
        said = say(asked.answer.value, checkpoint=asked.checkpoint, days=f"{asked.days:.3g}")
        yield Line(said, say("promotion"))
    yield Line(_jobs(digest, language), say("jobs"))
    if digest.gate:
        yield from _gate(digest.gate, language)
    yield from _failures(group(digest.failed), language)
    yield Line(": ".join(filter(None, (digest.series, digest.checkpoint))), say("series"))
    yield Line(digest.user, say("user"), NEXT)
    yield Line(in_words(digest.seconds) if digest.seconds else "", say("took"), NEXT)
    yield Line(digest.run, say("folder"))
    yield from (Line(_score(score), say("score"), LAST) for score in digest.scores)


def _jobs(digest: Digest, language: str) -> str:
    if digest.kind is Kind.START:
        counts = {stage.name: stage.planned for stage in digest.stages}
        return phrase(language, "planned", infer=counts.get("infer", 0), eval=counts.get("eval", 0))
    told = [
        phrase(language, stage.name, done=len(stage.succeeded), failed=len(stage.failed))
        for stage in digest.stages
        if stage.succeeded or stage.failed
    ]
    return "; ".join(told)


def _failures(groups: tuple[Group, ...], language: str) -> Iterator[Line]:
    """The first reason is the last thing that is left out."""
    say = partial(phrase, language)
    label = say("failed", count=sum(len(one.labels) for one in groups))
    for number, one in enumerate(groups[:GROUPS]):
        named = ", ".join(clip(name, 60) for name in one.labels[:NAMED])
        more = len(one.labels) - NAMED
        named += f", {say('and_more', count=more)}" if more > 0 else ""
        times = f"{say('times', count=len(one.labels))} " if len(one.labels) > 1 else ""
        yield Line(f"{times}{clip(one.reason, LINE // 2)} ({named})", label if not number else "", min(number, NEXT))
    if rest := groups[GROUPS:]:
        yield Line(say("other_reasons", count=len(rest), failed=sum(len(one.labels) for one in rest)), "", NEXT)


def _gate(gate: Gate, language: str) -> Iterator[Line]:
    """Failed datasets before the others, which may be left out."""
    yield Line(phrase(language, _outcome(gate.outcome)), phrase(language, "gate"))
    for finding in sorted(gate.findings, key=lambda one: one.outcome != FAIL):
        yield Line(_finding(finding, language), "", NEXT if finding.outcome == FAIL else LAST)


def _finding(finding: GateFinding, language: str) -> str:
    say = partial(phrase, language)
    text = f"{finding.model} / {finding.dataset}: {say(_outcome(finding.outcome))}"
    if finding.value is not None and finding.reference_value is not None:
        values = {"value": _number(finding.value), "reference_value": _number(finding.reference_value)}
        text += f", {say('against', **values)}"
        text += f" {say('than', reference=finding.reference)}" if finding.reference else ""
    return text + (f", p = {finding.p_value:.3g}" if finding.p_value is not None else "")


def _outcome(word: str) -> str:
    return word if word in (PASS, FAIL) else "inconclusive"


def _score(score: ScoreLine) -> str:
    return f"{score.model} / {score.dataset}: {score.metric} {_number(score.value)}"


def _number(value: float) -> str:
    return f"{value:.4g}"
