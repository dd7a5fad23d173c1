"""One tick of a series: look, learn how evaluations ended, and begin those whose turn it is, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from opencompass_ops.clusters.shell import run_to_end
from opencompass_ops.errors import InputError
from opencompass_ops.gates.policy import GatePolicy
from opencompass_ops.results.versions import named_version, version
from opencompass_ops.series.config import Series
from opencompass_ops.series.ledger import (
    FAILED,
    OUTSIDE,
    READY,
    STARTED,
    STOPPED,
    SUCCEEDED,
    Book,
    Evaluation,
    Ledger,
    Sighting,
    run_id,
)
from opencompass_ops.series.listing import twins
from opencompass_ops.series.looking import look
from opencompass_ops.series.places import Place
from opencompass_ops.series.selection import A_DAY_S, Candidate, Limits, Spent, outside, select
from opencompass_ops.series.suite import suite_fingerprint

MOST = 200
"""Evaluations that one tick begins or makes runs of at most; each is a task of its own."""

FIRST = version(1)

RunState = Callable[[str], str | None]
"""An evaluation's DAG run by its id: ``queued``, ``running``, ``success`` or ``failed``; None where there is none."""
StoppedBy = Callable[[Evaluation], str]
"""The shared limit on GPU-hours that ended an evaluation's failed run; "" where it failed by itself."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What one tick is asked for, beside what its series says.

    :param checkpoints: only these names, and these whatever the limits say of steps, times, days and attempts.
    :param backfill: also checkpoints that another suite has evaluated; the limit per day does not hold.
    :param suite: in place of the series' own.
    :param after_step: only later steps.
    :param before_step: only earlier steps.
    """

    checkpoints: tuple[str, ...] = ()
    backfill: bool = False
    suite: str = ""
    after_step: int | None = None
    before_step: int | None = None

    @classmethod
    def from_params(cls, params: Mapping[str, Any]) -> Asked:
        """What the params of a DAG run ask for; :data:`PARAMS` has their schemas.

        :raises InputError: a suite is named without ``backfill``.
        """
        asked = cls(
            checkpoints=tuple(name for name in params.get("checkpoints") or () if name),
            backfill=bool(params.get("backfill")),
            suite=str(params.get("suite") or ""),
            after_step=params.get("after_step"),
            before_step=params.get("before_step"),
        )
        if asked.suite and not asked.backfill:
            raise InputError(f"suite={asked.suite!r} is for backfill=true; new checkpoints get the series' own suite")
        return asked

    def of(self, series: Series) -> Series:
        """The series as this tick sees it."""
        limits = replace(series.limits, per_day=None) if self.checkpoints or self.backfill else series.limits
        return replace(series, suite=self.suite or series.suite, limits=limits)

    def means(self, limits: Limits, name: str, step: int, completed: datetime | None = None) -> bool:
        """Whether this tick is for a checkpoint, whatever the series means itself.

        :param limits: of the series.
        :param completed: when its last file was written; None when that is known to be right.
        """
        if self.checkpoints:
            return name in self.checkpoints
        first = limits.after_step if self.after_step is None else self.after_step
        last = limits.before_step if self.before_step is None else self.before_step
        return not outside(step, completed, replace(limits, after_step=first, before_step=last))


@dataclass(frozen=True)
class _Turn:
    """A candidate and the question that it is asked."""

    candidate: Candidate
    suite: str
    fingerprint: str


def discover(
    series: Series,
    place: Place,
    ledger: Ledger,
    asked: Asked,
    run_state: RunState,
    say: Say,
    stopped_by: StoppedBy = lambda row: "",
    user: str = "",
) -> list[Evaluation]:
    """Look, and begin the evaluations whose turn it is; not for use in an event loop.

    :param run_state: of an evaluation's DAG run.
    :param stopped_by: which grant ended a failed run.
    :param user: who had it look, on whose account evaluations go where the series has no owner.
    :returns: evaluations that have no DAG run yet, in the order in which they are to begin: those begun now, and those
        that somebody began who did not come to make the run.
    :raises InputError: the suite is wrong, or the baseline is no version that exists.
    :raises UnsureError: the place cannot be asked.
    """
    series = asked.of(series)
    now = datetime.now(UTC)
    limits = series.limits
    sightings = run_to_end(look(series, place, ledger.sightings(series.name), now, partial(asked.means, limits)))
    known = ledger.evaluations(series.name)
    _check_baseline(series, ledger, known)
    fingerprints = _fingerprints(series, known, say)
    states = {one.run_id: _state(one, run_state) for one in known if one.state != SUCCEEDED}
    stops = {one.run_id: stopped_by(one) for one in known if _has_failed(one, states)}
    used, dry = ledger.gpu_hours(series.name), ledger.spent_grant(series.name, series.owner or user)
    with ledger.exclusive(series.name) as book:
        now_there = {one.name: one.digest for one in sightings}
        rows = [_learn(book, row, states, stops, now_there) for row in book.evaluations()]
        turns = list(_turns(series, asked, sightings, rows, fingerprints, now))
        spent = _spent(rows, now, used, dry)
        without_run = [row for row in rows if row.state == STARTED and states.get(row.run_id, "") is None]
        most = max(0, MOST - len(without_run))
        chosen, waiting = select([turn.candidate for turn in turns], series.limits, spent, now.timestamp(), most)
        begun = [_begin(book, turn) for turn in _in_order(chosen, turns)]
        waiting |= twins(sightings, [*rows, *begun])
        book.see([_as_noted(one, waiting) for one in sightings])
        again = {row.digest for row in rows if _has_attempts(row, series)} & set(now_there.values())
        place.tidy({row.digest for row in (*rows, *begun) if row.state == STARTED} | again)
    place.sweep()  # takes its time, which nobody should wait for
    _tell(sightings, waiting, begun, asked, say)
    return [*without_run, *begun][:MOST]


def evaluation_params(series: Series, evaluation: Evaluation, path: str, reuse: str = "") -> dict[str, Any]:
    """The params of the run that is an evaluation.

    :param path: of the checkpoint, as jobs see it.
    :param reuse: name of the run folder of an earlier attempt, in which this one goes on; "" for a new folder.
    """
    model = {"path": path, "abbr": series.name_of(evaluation.step), "tokenizer_path": series.tokenizer_path}
    return {
        **series.run_params(),
        "config": evaluation.suite,
        "model_overrides": [{name: value for name, value in model.items() if value}],
        **({"reuse": reuse} if reuse else {}),
    }


def _as_noted(one: Sighting, waiting: Mapping[str, str]) -> Sighting:
    """What is to be remembered; of what this tick alone means, that the series does not mean it."""
    if one.state == READY and one.reason:
        return replace(one, state=OUTSIDE, digest="")
    return replace(one, reason=waiting.get(one.name, one.reason))


def _check_baseline(series: Series, ledger: Ledger, rows: Sequence[Evaluation]) -> None:
    """The first checkpoint of all may be compared with itself: nobody should have to edit the file after it."""
    name = series.baseline or GatePolicy.from_values(series.gate).baseline
    if rows or named_version(name) not in {("", FIRST), (series.name, FIRST)}:
        ledger.check_baseline(name, series.name)


def _fingerprints(series: Series, rows: Iterable[Evaluation], say: Say) -> dict[str, str]:
    """Of the series' suite, and of those whose failed evaluations may have another turn."""
    found = {series.suite: suite_fingerprint(series.suite, series.params)}
    for suite in sorted({row.suite for row in rows if row.state != SUCCEEDED} - set(found)):
        try:
            found[suite] = suite_fingerprint(suite, series.params)
        except InputError as error:
            say(f"evaluations by {suite} that failed are not tried again: {error}")
    return found


def _state(row: Evaluation, run_state: RunState) -> str | None:
    """Of all attempts together: somebody may have cleared an earlier one, and two must not be alive at once."""
    attempts = range(1, row.attempts + 1)
    states = [run_state(run_id(row.series, row.digest, row.fingerprint, attempt)) for attempt in attempts]
    return next((state for state in ("success", "running", "queued") if state in states), states[-1])


def _has_failed(row: Evaluation, states: Mapping[str, str | None]) -> bool:
    """Whether that its run failed is news."""
    return row.state == STARTED and states.get(row.run_id) == "failed"


def _has_attempts(row: Evaluation, series: Series) -> bool:
    """Whether it may go on by itself."""
    return row.state == STOPPED or (row.state == FAILED and row.failures < series.limits.attempts)


def _learn(
    book: Book,
    row: Evaluation,
    states: Mapping[str, str | None],
    stops: Mapping[str, str],
    now_there: Mapping[str, str],
) -> Evaluation:
    """The row as its DAG run says; a run that somebody cleared is alive again."""
    state = states.get(row.run_id)
    if row.state == SUCCEEDED or state is None:
        return row
    if state == "success":
        return book.end(row, SUCCEEDED)
    if state == "failed":
        if row.state != STARTED:
            return row
        limit = stops.get(row.run_id, "")
        if limit:
            return book.end(row, STOPPED, f"stopped, goes on tomorrow (UTC) at the earliest: {limit}")
        was = "" if now_there.get(row.name) in (None, "", row.digest) else "overwritten; "
        return book.end(row, FAILED, f"{was}run {row.run_id} failed")
    return row if row.state == STARTED else book.end(row, STARTED)


def _turns(
    series: Series,
    asked: Asked,
    sightings: Sequence[Sighting],
    rows: Sequence[Evaluation],
    fingerprints: Mapping[str, str],
    now: datetime,
) -> Iterable[_Turn]:
    """Complete checkpoints that were not evaluated, or whose evaluation failed and may have another turn."""
    wanted = fingerprints[series.suite]
    for one in sightings:
        if one.state != READY or not asked.means(series.limits, one.name, one.step):
            continue
        mine = [row for row in rows if row.digest == one.digest]
        if any(row.state == STARTED for row in mine):
            continue  # one at a time, so that a second suite finds the first one's predictions
        retried = next((row for row in mine if _may_retry(row, series, asked, fingerprints, now)), None)
        if retried:
            yield _Turn(Candidate(one.name, one.step, one.digest, retry=True), retried.suite, retried.fingerprint)
        elif all(row.fingerprint != wanted for row in mine) and (
            asked.backfill or all(row.state in (FAILED, STOPPED) for row in mine)
        ):
            yield _Turn(Candidate(one.name, one.step, one.digest), series.suite, wanted)


def _may_retry(row: Evaluation, series: Series, asked: Asked, fingerprints: Mapping[str, str], now: datetime) -> bool:
    """Not once its attempts are used up or while the day lasts whose GPU-hours are, unless somebody names it; nor once
    its suite asks something else."""
    its_turn = {
        FAILED: row.failures < series.limits.attempts,
        STOPPED: row.ended_at[:10] < now.date().isoformat(),  # another run would be refused at once
    }
    left = row.state in its_turn and (its_turn[row.state] or bool(asked.checkpoints))
    return left and fingerprints.get(row.suite) == row.fingerprint


def _in_order(chosen: Sequence[Candidate], turns: Sequence[_Turn]) -> list[_Turn]:
    by_name = {turn.candidate.name: turn for turn in turns}
    return [by_name[candidate.name] for candidate in chosen]


def _begin(book: Book, turn: _Turn) -> Evaluation:
    one = turn.candidate
    return book.begin(digest=one.digest, fingerprint=turn.fingerprint, suite=turn.suite, name=one.name, step=one.step)


def _spent(rows: Sequence[Evaluation], now: datetime, used: float, dry: str) -> Spent:
    begun = [datetime.fromisoformat(moment) for row in rows for moment in row.begun]
    a_day = timedelta(seconds=A_DAY_S)
    over = sum(1 for row in rows if row.state != STARTED)
    return Spent(
        begun=tuple(moment.timestamp() for moment in begun if now - moment < a_day),
        alive=len(rows) - over,
        gpu_hours=used,
        each=used / over if over else None,
        dry=dry,
    )


def _tell(
    sightings: Sequence[Sighting],
    waiting: Mapping[str, str],
    begun: Sequence[Evaluation],
    asked: Asked,
    say: Say,
) -> None:
    for one in sightings:
        reason = waiting.get(one.name, one.reason)
        say(f"{one.name}: {one.state}{': ' if reason else ''}{reason}")
    for name in sorted(set(asked.checkpoints) - {one.name for one in sightings}):
        say(f"{name}: there is no such checkpoint")
    for row in begun:
        say(f"{row.name}: begins as version {row.version}, attempt {row.attempts}, run {row.run_id}")
