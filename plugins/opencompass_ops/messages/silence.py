"""When a job counts as hanging: it runs, and neither finishes an item nor prints a line."""

from __future__ import annotations

import math
import os

from opencompass_ops.clusters.base import JobState, JobStatus
from opencompass_ops.clusters.narration import in_words

VARIABLE = "OPENCOMPASS_OPS_HANG_MINUTES"
_MINUTES = 30.0
"""Alibaba's and Huawei's rule for jobs that hang; weights that load from a slow disk take less."""


def patience() -> float:
    """Seconds of silence after which a job hangs; infinite where that is switched off by 0."""
    try:
        minutes = float(os.environ.get(VARIABLE) or _MINUTES)
    except ValueError:
        minutes = _MINUTES
    return minutes * 60 if minutes > 0 else math.inf


class Silence:
    """Of one job.

    :param now: seconds of a steady clock.
    """

    def __init__(self, now: float) -> None:
        self._since = now
        self._heard: tuple[object, ...] = ()

    def hear(self, status: JobStatus, now: float) -> None:
        """Take in what the cluster says; a heartbeat that only beats is silence."""
        beat = status.progress
        heard = (status.state, status.job_id, *((beat.phase, beat.done, beat.tokens) if beat else ()))
        if heard != self._heard or status.log:
            self._heard, self._since = heard, now

    def seconds(self, now: float) -> float:
        """For how long a running job has done nothing; 0 for one that does not run."""
        return now - self._since if self._heard[:1] == (JobState.RUNNING,) else 0.0

    def words(self, now: float) -> str:
        """The same, for people."""
        return f"it runs, and has neither finished an item nor printed a line for {in_words(self.seconds(now))}"
