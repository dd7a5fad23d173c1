"""What a job asks its cluster for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """Resources of one job; None or empty where the cluster's own default shall hold.

    :param num_gpus: devices per job.
    """

    num_gpus: int = 0
