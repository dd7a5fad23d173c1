"""How long answers took: what later plans learn the cost of a row from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles


@dataclass(frozen=True)
class Timing:
    """What one part took of one job.

    :param seconds: from opening the part to its last answer, loading of the model not included.
    :param answered: items answered in that time; those restored from a journal are none.
    :param device: name of the GPU, or ``cpu``.
    """

    seconds: float
    answered: int
    device: str


def file_name(rank: int) -> str:
    """The file in the job's folder in which a process tells its timings."""
    return f"timings.rank{rank}.json"


def leave(files: LocalFiles, token: str, rank: int, timings: Mapping[str, Timing]) -> None:
    """Tell the job's first process what the parts took of this one."""
    said = {part: asdict(timing) for part, timing in timings.items()}
    files.write(layout.job(token, file_name(rank)), json.dumps(said))


def gather(files: LocalFiles, token: str, processes: int) -> dict[str, Timing]:
    """What the parts took of all processes; one that left nothing adds nothing."""
    found: dict[str, list[Timing]] = {}
    for rank in range(processes):
        try:
            said = json.loads(files.read(layout.job(token, file_name(rank))))
        except FileNotFoundError:
            continue
        for part, values in said.items():
            found.setdefault(part, []).append(Timing(**values))
    return {part: _side_by_side(timings) for part, timings in found.items()}


def _side_by_side(timings: Iterable[Timing]) -> Timing:
    each = list(timings)
    slowest = max(each, key=lambda timing: timing.seconds)
    return Timing(slowest.seconds, sum(timing.answered for timing in each), slowest.device)
