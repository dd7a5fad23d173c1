"""What the next submission of a shard changes after how the earlier ones ended; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opencompass_ops.clusters.attempts import Outcome
from opencompass_ops.clusters.base import JobState
from opencompass_ops.clusters.judgement import DEVICE, HOST

_MAX_EXCLUDED = 3
_MAX_MEMORY_FACTOR = 8.0
_MIN_BATCH_SCALE = 1 / 8


@dataclass(frozen=True)
class Adaptation:
    """Changes to what a shard asks for.

    :param exclude: nodes that failed it, the latest first; a few only, or a small cluster would have none left.
    :param memory_factor: how many times the usual host memory.
    :param batch_scale: by which the rows that the device computes at once are multiplied.
    """

    exclude: tuple[str, ...] = ()
    memory_factor: float = 1.0
    batch_scale: float = 1.0


def adapt(previous: Sequence[Outcome]) -> Adaptation:
    """Another node after one failed, twice the memory or half the rows after each time there was too little.

    :param previous: how the shard's earlier submissions ended, oldest first.
    """
    failed = [outcome.node for outcome in reversed(previous) if outcome.state is JobState.NODE_FAIL and outcome.node]
    host = sum(outcome.cause == HOST for outcome in previous)
    device = sum(outcome.cause == DEVICE for outcome in previous)
    return Adaptation(
        exclude=tuple(dict.fromkeys(failed))[:_MAX_EXCLUDED],
        memory_factor=min(2.0**host, _MAX_MEMORY_FACTOR),
        batch_scale=max(0.5**device, _MIN_BATCH_SCALE),
    )
