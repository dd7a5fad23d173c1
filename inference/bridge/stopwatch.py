"""What each part takes of a task of OpenCompass's, as seen from outside: by when its prediction file appears."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from functools import cache

from inference.timing import Timing


class Stopwatch:
    """Times parts that are answered one after the other.

    OpenCompass says when its model is loaded, and writes a part's file at its end; between two looks nothing is known,
    so parts that end between them share that time by their items.

    :param wanted: items that each part still lacks, by its name.
    :param is_there: whether a part's prediction file is there.
    :param device: kind of GPU, or ``cpu``.
    :param clock: seconds.
    """

    def __init__(
        self,
        wanted: Mapping[str, int],
        is_there: Callable[[str], bool],
        device: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open = dict(wanted)
        self._is_there, self._device, self._clock = is_there, device, clock
        self._since: float | None = None
        self.timings: dict[str, Timing] = {}

    def look(self, *, loaded: bool) -> None:
        """To be called every second or so.

        :param loaded: whether the task has said that its model is loaded.
        """
        now = self._clock()
        ended = {name: self._open[name] for name in self._open if self._is_there(name)}
        for name in ended:
            del self._open[name]
        items = sum(ended.values())
        if self._since is not None and items and now > self._since:
            share = (now - self._since) / items
            self.timings |= {name: Timing(share * own, own, self._device) for name, own in ended.items() if own}
        if ended or (loaded and self._since is None):
            self._since = now


@cache
def device_name(num_gpus: int) -> str:
    """Kind of the job's GPU as its driver calls it, which is what torch says too; ``cpu`` without one."""
    if not num_gpus:
        return "cpu"
    try:
        told = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],  # noqa: S607  # the driver's own, by its name
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return (told.splitlines() or [""])[0].strip()
