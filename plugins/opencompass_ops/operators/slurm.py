"""Shards as jobs of a Slurm cluster."""

from __future__ import annotations

from opencompass_ops.operators.shard import ShardOperator


class SlurmOperator(ShardOperator):
    """Run one shard as a Slurm job; the triggerer submits it and waits, over one connection for all of them."""

    cluster_kind = "slurm"
