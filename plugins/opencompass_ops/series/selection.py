"""Which checkpoints have their turn: pure, so that every look comes to the same end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

A_DAY_S = 24 * 3600


@dataclass(frozen=True)
class Limits:
    """What a series says of how much is evaluated.

    :param every: only steps that are a multiple of it.
    :param newest_first: later steps have their turn before earlier ones.
    :param per_day: evaluations begun within any 24 hours; None for no limit.
    :param at_once: evaluations of the series alive at once; None for no limit.
    :param gpu_hours: of all evaluations of the series; None for no limit.
    :param attempts: how often a checkpoint that fails is evaluated at all.
    :param after_step: only later steps.
    :param before_step: only earlier steps.
    :param after: only checkpoints completed later.
    :param before: only checkpoints completed earlier.
    """

    every: int = 1
    newest_first: bool = False
    per_day: int | None = None
    at_once: int | None = None
    gpu_hours: float | None = None
    attempts: int = 3
    after_step: int | None = None
    before_step: int | None = None
    after: datetime | None = None
    before: datetime | None = None


@dataclass(frozen=True)
class Candidate:
    """A complete checkpoint that was not evaluated.

    :param digest: of its weights.
    :param retry: whether an earlier evaluation of it failed.
    """

    name: str
    step: int
    digest: str
    retry: bool = False


@dataclass(frozen=True)
class Spent:
    """What the series has taken already.

    :param begun: when its evaluations of the last day began, seconds since 1970.
    :param alive: how many are not over.
    :param gpu_hours: of all of them.
    :param each: that one of them took on average; None while none is over.
    :param dry: what the site grants and is used up, in words; "" where nothing is.
    """

    begun: tuple[float, ...] = ()
    alive: int = 0
    gpu_hours: float = 0.0
    each: float | None = None
    dry: str = ""


def outside(step: int, completed: datetime | None, limits: Limits) -> str:
    """Why a checkpoint is not meant at all; "" when it is.

    :param completed: when its last file was written; None when that is not known yet.
    """
    if step % limits.every:
        return f"step is no multiple of {limits.every}"
    if limits.after_step is not None and step <= limits.after_step:
        return f"step is not after {limits.after_step}"
    if limits.before_step is not None and step >= limits.before_step:
        return f"step is not before {limits.before_step}"
    if completed is not None and limits.after is not None and completed <= limits.after:
        completed = completed.astimezone(limits.after.tzinfo)
        return f"completed {completed:%Y-%m-%d %H:%M}, not after {limits.after:%Y-%m-%d %H:%M}"
    if completed is not None and limits.before is not None and completed >= limits.before:
        completed = completed.astimezone(limits.before.tzinfo)
        return f"completed {completed:%Y-%m-%d %H:%M}, not before {limits.before:%Y-%m-%d %H:%M}"
    return ""


def select(
    candidates: Sequence[Candidate], limits: Limits, spent: Spent, now: float, most: int
) -> tuple[list[Candidate], dict[str, str]]:
    """Who begins now, in order, and why each of the others waits.

    Of several names with the same weights one is chosen.

    :param now: seconds since 1970.
    :param most: how many may begin at one tick.
    :returns: the chosen, and reasons by name of the others.
    """
    order = sorted(candidates, key=lambda one: (-one.step if limits.newest_first else one.step, one.name))
    first = {one.digest: one for one in reversed(order)}
    unique = [one for one in order if first[one.digest] is one]
    today = sum(1 for begun in spent.begun if now - begun < A_DAY_S)
    rooms: dict[str, int | None] = {
        f"{today} of {limits.per_day} evaluations of the last 24 h are begun": _room(limits.per_day, today),
        f"{spent.alive} of {limits.at_once} evaluations are running": _room(limits.at_once, spent.alive),
        f"at most {most} begin at one look": most,
    }
    if limits.gpu_hours is not None:
        rooms[_hours(limits.gpu_hours, spent)] = _affordable(limits.gpu_hours - spent.gpu_hours, spent)
    if spent.dry:
        rooms[spent.dry] = 0
    why, room = min(((why, room) for why, room in rooms.items() if room is not None), key=lambda item: item[1])
    chosen = unique[:room]
    waiting = {one.name: f"waits: {why}" for one in unique[room:]}
    others = ((one, first[one.digest]) for one in order)
    return chosen, waiting | {one.name: f"same weights as {its.name}" for one, its in others if its is not one}


def _affordable(left: float, spent: Spent) -> int | None:
    """How many evaluations GPU-hours are left for; what is running is taken to need as much as one took so far.

    One alone may always begin: the first, which shows what one takes, and the last, which needs a little more.
    """
    if left <= 0:
        return 0
    if spent.each == 0:
        return None  # all answers were known already
    for_all = int(left / spent.each) if spent.each else 1
    return max(for_all, 1) - min(spent.alive, max(for_all, 1))


def _hours(limit: float, spent: Spent) -> str:
    said = f"{spent.gpu_hours:.1f} of {limit:g} GPU-hours are spent"
    if spent.gpu_hours >= limit:
        return said
    each = "what one takes is not known yet" if spent.each is None else f"one takes {spent.each:.1f}"
    return f"{said}, {each}, {spent.alive} are running"


def _room(limit: int | None, taken: int) -> int | None:
    return None if limit is None else max(0, limit - taken)
