"""The Cost partitioner: jobs of about equal time, few of them, each worth its model's load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, pairwise
from math import ceil

from opencompass_ops.planning.partition import Candidate, Piece, Range, range_text
from opencompass_ops.planning.spread import Job, Need, hold_back, spread

TARGET = 1800.0
"""Seconds of a job: long beside the start of a worker and of a job, short enough to be done again."""
LOADING = 0.025
"""Share of a job's time that loading may take where jobs are cut only to keep them short."""
_DOUBLINGS = 30
SHARE = 1 / 16
"""Share of a job that a part of a dataset may be when its cost is known."""
FEWEST_ROWS = 16
"""Rows of a part whose cost is only guessed, as NumWorkerPartitioner has it."""
SLACK = 0.02
"""Share of a job's work by which it may be over- or underfull before a dataset is cut once more."""


_Crew = tuple[str, str]
"""Model and engine: what the parts of one job have in common."""


def _crew(candidate: Candidate) -> _Crew:
    return candidate.model, candidate.engine


@dataclass(frozen=True)
class Cost:
    """Parts and shards by expected seconds.

    First it is settled how much of each model's work goes into which job (:mod:`opencompass_ops.planning.spread`). Then
    a model's datasets are dealt out. What is known is cut into parts of at most :data:`SHARE` of a job, so that no
    job rests on one estimate; these go, the longest first, to the job with most room, and one that does not fit
    there fills it and goes on in the next. What is only guessed, and is large enough for all jobs, is dealt to every
    job by its room, so that a wrong guess makes all of them longer alike; known rows are not, because each job would
    get the same place of all datasets, where all may be long.

    :param candidates: every open pair of the run.
    :param workers: jobs that run at the same time.
    :param target: seconds that no job shall exceed; None for :data:`TARGET`, or as much more as
        keeps loading within :data:`LOADING` of the job.
    :param most: jobs that the run may have; the target grows until they suffice, or every model has one job.
    """

    candidates: Sequence[Candidate]
    workers: int
    target: float | None = None
    most: int = 1024

    def tile(self, candidate: Candidate) -> tuple[Piece, ...]:
        """The dataset's parts in order, those that are answered included.

        :raises KeyError: the candidate is none of the run's.
        """
        return self._layouts[_crew(candidate)].parts[candidate.abbr]

    def jobs(self) -> list[tuple[str, tuple[Piece, ...]]]:
        """The model and the open parts of each job, in the order in which they are best started."""
        found = [(start, model, parts) for (model, _), of in self._layouts.items() for start, parts in of.jobs]
        return [(model, parts) for _, model, parts in sorted(found, key=lambda job: job[0])]

    @cached_property
    def _layouts(self) -> Mapping[_Crew, _Layout]:
        crews: dict[_Crew, list[Candidate]] = {}
        for candidate in self.candidates:
            crews.setdefault(_crew(candidate), []).append(candidate)
        sizes = self._sizes({crew: self._need(candidates) for crew, candidates in crews.items()})
        return {crew: _lay_out(candidates, sizes.get(crew, []), self.workers) for crew, candidates in crews.items()}

    @cached_property
    def _known(self) -> set[_Crew]:
        """Whose costs are all known: short jobs of what is only guessed would be cut from every dataset."""
        guessed = {_crew(each) for each in self.candidates if not each.is_known}
        return {_crew(each) for each in self.candidates} - guessed

    def _need(self, candidates: Sequence[Candidate]) -> Need:
        load = candidates[0].load_seconds
        return Need(_work(candidates), load, self.target or max(TARGET, load / LOADING))

    def _sizes(self, needs: Mapping[_Crew, Need]) -> dict[_Crew, list[Job]]:
        open_needs = {crew: need for crew, need in needs.items() if need.work > 0}
        if not open_needs:
            return {}
        # A makespan is reached with one cut a worker at most, besides those that keep jobs short.
        workers = max(1, min(self.workers, self.most - len(open_needs) + 1))
        for _ in range(_DOUBLINGS):
            at_least = sum(need.jobs(need.work) for need in open_needs.values())
            if at_least <= max(self.most, len(open_needs)):
                sizes = spread(open_needs, workers)
                if sum(map(len, sizes.values())) <= self.most:
                    return hold_back(open_needs, sizes, workers, self._known, self.most)
            open_needs = {crew: replace(need, target=2 * need.target) for crew, need in open_needs.items()}
        return spread(open_needs, workers)


@dataclass
class _Segment:
    """Open rows of one dataset; ``is_kept`` ones are not cut."""

    candidate: Candidate
    start: int
    stop: int
    is_kept: bool

    @property
    def seconds(self) -> float:
        return (self.stop - self.start) * self.candidate.row_seconds


@dataclass
class _Box:
    """What is being packed into one job, beside the seconds that it still has room for."""

    room: float
    start: float
    ranges: list[tuple[Candidate, Range]] = field(default_factory=list)
    last: _Segment | None = None


@dataclass(frozen=True)
class _Layout:
    parts: Mapping[str, tuple[Piece, ...]]
    jobs: Sequence[tuple[float, tuple[Piece, ...]]]


def _work(candidates: Sequence[Candidate]) -> float:
    return sum(segment.seconds for candidate in candidates for segment in _open_segments(candidate))


def _open_segments(candidate: Candidate) -> list[_Segment]:
    """What has to be answered: kept ranges that are not, and the gaps between kept ranges."""
    found, reached = [], 0
    for start, stop in (*candidate.kept, (candidate.selected, candidate.selected)):
        if start > reached:
            found.append(_Segment(candidate, reached, start, is_kept=False))
        if stop > start and (start, stop) not in candidate.answered:
            found.append(_Segment(candidate, start, stop, is_kept=True))
        reached = stop
    return found


def _lay_out(candidates: Sequence[Candidate], jobs: Sequence[Job], workers: int) -> _Layout:
    boxes = _pack(candidates, jobs, workers)
    parts = {candidate.abbr: _parts(candidate, boxes) for candidate in candidates}
    named = {(abbr, piece.start): piece for abbr, pieces in parts.items() for piece in pieces}
    packed = [
        (box.start, tuple(named[candidate.abbr, start] for candidate, (start, _) in box.ranges))
        for box in boxes
        if box.ranges
    ]
    return _Layout(parts, packed)


def _pack(candidates: Sequence[Candidate], jobs: Sequence[Job], workers: int) -> list[_Box]:
    """Deal the open rows out to the jobs."""
    boxes = [_Box(job.work, job.start) for job in jobs]
    segments = [segment for candidate in candidates for segment in _open_segments(candidate)]
    to_some: list[_Segment] = []
    to_all: list[_Segment] = []
    for segment in segments:
        stripes = 1 if segment.is_kept else _stripes(segment, jobs, workers)
        if stripes == len(jobs) > 1 and not segment.candidate.is_known:
            to_all.append(segment)
        else:
            to_some += _cut(segment, stripes)
    slack = SLACK * max((job.work for job in jobs), default=0.0)
    for segment in sorted(to_some, key=lambda each: each.seconds, reverse=True):
        _deal(segment, boxes, slack)
    for segment in to_all:
        _deal_to_all(segment, boxes)
    place = {id(candidate): number for number, candidate in enumerate(candidates)}
    for box in boxes:
        box.ranges.sort(key=lambda entry: (place[id(entry[0])], entry[1]))
    return boxes


def _stripes(segment: _Segment, jobs: Sequence[Job], workers: int) -> int:
    """In how many parts a segment is dealt out, at most one to a job, and two to a worker where nothing is known."""
    rows = segment.stop - segment.start
    if not segment.candidate.is_known:
        return min(len(jobs), 2 * workers, max(1, rows // FEWEST_ROWS))
    return min(len(jobs), rows, ceil(segment.seconds / (SHARE * max(job.work for job in jobs))))


def _deal_to_all(segment: _Segment, boxes: Sequence[_Box]) -> None:
    """Rows to every job in proportion to the room that it has."""
    first, rows = segment.start, segment.stop - segment.start
    rooms = [max(box.room, 1e-9) for box in boxes]
    ends = [first + round(rows * reached / sum(rooms)) for reached in accumulate(rooms)]
    for box, end in zip(boxes, [*ends[:-1], segment.stop], strict=True):
        if end > segment.start:
            _add(box, segment, end - segment.start)


def _cut(segment: _Segment, count: int) -> list[_Segment]:
    """The segment in equal parts."""
    rows = segment.stop - segment.start
    bounds = [segment.start + rows * number // count for number in range(count + 1)]
    return [replace(segment, start=start, stop=stop) for start, stop in pairwise(bounds)]


def _deal(segment: _Segment, boxes: Sequence[_Box], slack: float) -> None:
    """To the job with most room; what does not fit there goes on to the next."""
    while segment.start < segment.stop:
        box = max(boxes, key=lambda each: each.room)
        rows = segment.stop - segment.start
        if not segment.is_kept and segment.seconds > box.room + slack:
            rows = min(rows, max(1, round(box.room / segment.candidate.row_seconds)))
        _add(box, segment, rows)


def _add(box: _Box, segment: _Segment, rows: int) -> None:
    candidate, start = segment.candidate, segment.start
    segment.start += rows
    box.room -= rows * candidate.row_seconds
    last = box.last
    if last and last.candidate is candidate and not (last.is_kept or segment.is_kept) and box.ranges[-1][1][1] == start:
        # The job with most room was this one again.
        start = box.ranges.pop()[1][0]
    box.ranges.append((candidate, (start, segment.start)))
    box.last = segment


def _parts(candidate: Candidate, boxes: Sequence[_Box]) -> tuple[Piece, ...]:
    dealt = [rows for box in boxes for owner, rows in box.ranges if owner is candidate]
    ranges = sorted([*dealt, *candidate.answered])
    text = range_text(candidate)
    return tuple(
        Piece(
            candidate.abbr,
            number if len(ranges) > 1 else None,
            start,
            stop,
            None if text is None else (f"{text}[{start}:{stop}]" if len(ranges) > 1 else text or None),
        )
        for number, (start, stop) in enumerate(ranges)
    )
