"""Shards as processes of the triggerer's host."""

from __future__ import annotations

from opencompass_ops.operators.shard import ShardOperator


class LocalOperator(ShardOperator):
    """Run one shard as a local process; it belongs to the host whose triggerer started it."""

    cluster_kind = "local"
