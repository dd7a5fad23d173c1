"""Slurm, reached over SSH or as local commands: ``sbatch`` words, job script, what is sent, what is read back."""

from __future__ import annotations

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.slurm.cluster import SlurmCluster
from opencompass_ops.errors import ConfigError


def open_cluster(config: ClusterConfig) -> SlurmCluster:
    """The Slurm account that a config describes; nothing is contacted yet.

    :raises ConfigError: the config asks for what Slurm decides itself, or for what this site's sbatch does not know.
    """
    if config.max_workers_per_gpu != 1:
        raise ConfigError(
            f"cluster {config.name!r}: max_workers_per_gpu has no meaning for kind 'slurm', which gives each job "
            "devices of its own; remove it"
        )
    quotatype = config.resources.quotatype
    if quotatype not in ("", "auto") and not config.has_quotatype:
        raise ConfigError(
            f"cluster {config.name!r}: quotatype {quotatype!r}, but sbatch there has no --quotatype; choose another "
            "partition or qos, or set has_quotatype in the cluster config"
        )
    return SlurmCluster(config)
