"""How much of each model's work goes into which job, so that all end at about the same time and few loads are paid.

Sizes are seconds of work; a job of them also takes its model's load.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import ceil
from typing import TypeVar

_Key = TypeVar("_Key")

_STEPS = 40
"""Makespans to try from the shortest to the longest, and then bisections: far below a row's cost."""
LAST = 0.03
"""Share of the makespan that a job takes which is held back."""
LONGEST_LAST = 0.05
"""The same where such a job has to be longer to pay for its load; beyond it evens nothing out."""
LAST_LOADING = 0.01
"""Share of the makespan, on average over the workers, that the loads of jobs which are held back may take."""


@dataclass(frozen=True)
class Need:
    """One model's part in a run.

    :param work: seconds of answering.
    :param load: seconds that every job of it takes besides.
    :param target: seconds that no job of it shall exceed, except for work that does not pay for more jobs.
    """

    work: float
    load: float
    target: float

    def jobs(self, work: float) -> int:
        """In how many jobs a worker does ``work``: each within the target, and working at least as long as it loads."""
        within = ceil(work / max(self.target - self.load, 1e-9))
        return max(1, min(within, int(work / max(self.load, 1e-9))))

    def time(self, work: float) -> float:
        """What a worker takes for ``work``, one job after the other."""
        return work + self.load * self.jobs(work)


@dataclass(frozen=True)
class Job:
    """Some of a model's work.

    :param work: seconds of answering.
    :param start: when it begins, in seconds from the start of the run, if everything takes what it is expected to.
    """

    work: float
    start: float


def spread(needs: Mapping[_Key, Need], workers: int) -> dict[_Key, list[Job]]:
    """The jobs of each model, for the shortest makespan that is found.

    For a makespan, models are laid into workers from the longest to the shortest: whole into the fullest worker that
    has room, else cut so that it fills the emptiest one, and on with the rest. Trying and bisection find the shortest
    makespan into which all fit. A cut costs one more load, and is made only where every side works longer than it
    loads.

    :param workers: jobs that run at the same time.
    """
    longest_first = sorted(needs, key=lambda model: -needs[model].time(needs[model].work))
    everything = sum(need.time(need.work) for need in needs.values()) * (1 + 1e-9)
    # A cut must pay on both sides, so a longer makespan may be impossible where a shorter one is not: look from below.
    first = everything / workers / 2
    ladder = (first * (everything / first) ** (step / _STEPS) for step in range(_STEPS + 1))
    low = first
    for high in ladder:
        best = _lay(needs, longest_first, workers, high)
        if best is not None:
            break
        low = high
    assert best is not None  # one worker holds everything
    for _ in range(_STEPS):
        middle = (low + high) / 2
        found = _lay(needs, longest_first, workers, middle)
        if found is None:
            low = middle
        else:
            best, high = found, middle
    return {model: [job for piece in pieces for job in _jobs(needs[model], piece)] for model, pieces in best.items()}


def hold_back(
    needs: Mapping[_Key, Need], jobs: dict[_Key, list[Job]], workers: int, of: Collection[_Key], most: int
) -> dict[_Key, list[Job]]:
    """The jobs with short ones at the end, which even out what estimates do not foresee: who is free first takes them.

    They are one model's, that whose loads take least, and work no shorter than they load.

    :param jobs: as :func:`spread` has them.
    :param of: models that may have such jobs.
    :param most: jobs that there may be in all.
    """
    makespan = max(job.start + job.work + needs[model].load for model, each in jobs.items() for job in each)
    for model in sorted((each for each in needs if each in of), key=lambda each: needs[each].load):
        need = needs[model]
        work = max(LAST * makespan - need.load, need.load)
        loads = LAST_LOADING * makespan * workers / max(need.load, 1e-9)
        count = int(min(workers, loads, need.work / 2 / work))
        if workers == 1 or count < 1 or work + need.load > LONGEST_LAST * makespan:
            continue
        found = spread({**needs, model: replace(need, work=need.work - count * work)}, workers)
        found[model] += [Job(work, makespan)] * count
        return found if sum(map(len, found.values())) <= most else jobs
    return jobs


def _jobs(need: Need, piece: Job) -> list[Job]:
    """The jobs that do a worker's piece of a model, one after the other."""
    count = need.jobs(piece.work)
    each = piece.work / count
    return [Job(each, piece.start + number * (each + need.load)) for number in range(count)]


def _lay(needs: Mapping[_Key, Need], order: list[_Key], workers: int, makespan: float) -> dict[_Key, list[Job]] | None:
    """The pieces of each model that workers do within the makespan; None when it is too short."""
    room = [makespan] * workers
    found: dict[_Key, list[Job]] = {}
    for model in order:
        pieces = _lay_model(needs[model], room)
        if pieces is None:
            return None
        found[model] = [Job(work, makespan - free) for work, free in pieces]
    return found


def _lay_model(need: Need, room: list[float]) -> list[tuple[float, float]] | None:
    """Pieces of the model's work, each with the room that its worker had for it; takes the room away."""
    left, pieces = need.work, []
    while True:
        time = need.time(left)
        fitting = [worker for worker, free in enumerate(room) if free >= time * (1 - 1e-12)]
        if fitting:
            fullest = min(fitting, key=lambda worker: room[worker])
            pieces.append((left, room[fullest]))
            room[fullest] -= time
            return pieces
        emptiest = max(range(len(room)), key=lambda worker: room[worker])
        piece = _cut(need, left, room[emptiest])
        if piece is None:
            return None
        pieces.append((piece, room[emptiest]))
        room[emptiest] -= need.time(piece)
        left -= piece


def _cut(need: Need, left: float, room: float) -> float | None:
    """The most of ``left`` that fits into the emptiest worker's room while the pieces of all others pay for their load.

    How many others there are at least follows from none having more room.
    """
    held = room - max(1, ceil(room / max(need.target, 2 * need.load))) * need.load
    others = max(1, ceil(left / held * (1 - 1e-12)) - 1) if held > 0 else 1
    piece = min(held, left - others * need.load)
    pays = piece >= need.load * (1 - 1e-9) and piece > 0 and need.time(piece) <= room * (1 + 1e-12)
    return piece if pays else None
