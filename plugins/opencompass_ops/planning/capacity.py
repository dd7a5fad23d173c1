"""How many shards one run may have."""

from __future__ import annotations

from collections.abc import Sequence

from opencompass_ops.errors import PlanError
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.selection import Group


def refuse_too_many(infer: int, evaluations: int, request: Request, limit: int, groups: Sequence[Group]) -> None:
    """Airflow cannot map over more items than ``[core] max_map_length`` and fails the task that lists them.

    :param infer: number of infer shards.
    :param evaluations: number of eval shards, one per model x dataset.
    :param limit: ``[core] max_map_length``.
    :raises PlanError: says how many there are and which two settings would fix it, with values.
    """
    if infer > limit:
        raise PlanError(
            f"The plan has {infer} infer shards, more than [core] max_map_length={limit} allows. "
            f"{_fewer(infer, request, limit, groups)}, or raise [core] max_map_length to at least {infer}"
        )
    if evaluations > limit:
        raise PlanError(
            f"The plan has {evaluations} evaluations (one per model x dataset), more than [core] "
            f"max_map_length={limit} allows. Name fewer models or datasets, or raise [core] max_map_length to at "
            f"least {evaluations}"
        )


def _fewer(infer: int, request: Request, limit: int, groups: Sequence[Group]) -> str:
    if limit < len(groups):
        return f"Name fewer models: {len(groups)} need a shard each at least"
    if request.max_partition_size is None:
        return "Leave infer.partitioner out of the config, or let it make fewer parts"
    # Shards shrink in proportion to the size, give or take what fills a shard badly.
    enough = request.max_partition_size * -(-infer // limit)
    return f"Raise max_partition_size from {request.max_partition_size} to about {enough}"
