"""A backend is a module of this package that defines ``open_cluster(config)``; nothing lists them."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

from opencompass_ops import clusters
from opencompass_ops.clusters.base import Cluster
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.errors import ConfigError


def open_cluster(config: ClusterConfig) -> Cluster:
    """The cluster that a config describes; nothing is contacted yet.

    :raises ConfigError: there is no such kind, or the kind cannot honour a setting.
    """
    names = {module.name for module in pkgutil.iter_modules(clusters.__path__)} - {__name__.rpartition(".")[2]}
    module = _backend(config.kind) if config.kind in names else None
    if module is None:
        known = ", ".join(sorted(name for name in names if _backend(name)))
        raise ConfigError(f"cluster {config.name!r}: unknown kind {config.kind!r}; known kinds: {known}")
    cluster: Cluster = module.open_cluster(config)
    return cluster


def _backend(name: str) -> ModuleType | None:
    module = importlib.import_module(f"{clusters.__name__}.{name}")
    return module if hasattr(module, "open_cluster") else None
