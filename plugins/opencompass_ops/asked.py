"""What a request asks of its cluster, laid over what the cluster config and the models say for themselves.

The person who starts the run has the last word, as with OpenCompass's flags: the cluster config says what is usual,
a model's ``run_cfg`` what this model needs, and the request what holds for every job of this run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.registry import open_cluster
from opencompass_ops.clusters.resources import Resources
from opencompass_ops.errors import ConfigError
from opencompass_ops.planning.request import Request

_PROCESSES = "num_procs"
"""The key of ``run_cfg`` that says how a job starts, not what it needs."""


def cluster_for(request: Request, cluster: ClusterConfig) -> ClusterConfig:
    """The cluster config with the request's resources.

    :raises ConfigError: a value is wrong, or this kind of cluster cannot honour it.
    """
    asked = _asked(request)
    config = replace(cluster, resources=cluster.resources.merged(asked))
    try:
        open_cluster(config)
    except ConfigError as error:
        said = ", ".join(f"{name}={value!r}" for name, value in request.resources.items())
        raise ConfigError(f"{said} was asked for; {error}") from error
    return config


def models_for(request: Request, models: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The model configs, each ``run_cfg`` validated, under our names, with the request's resources.

    :raises ConfigError: a ``run_cfg`` has an unknown key or a wrong value.
    """
    asked = _asked(request)
    return [dict(model) | _run_cfg(model, asked) for model in models]


def _asked(request: Request) -> Resources:
    return Resources.from_values("request", request.resources)


def _run_cfg(model: Mapping[str, Any], asked: Resources) -> dict[str, Any]:
    where = f"model {model['abbr']}: run_cfg"
    given = dict(model.get("run_cfg") or {})
    processes = {_PROCESSES: given.pop(_PROCESSES)} if _PROCESSES in given else {}
    needs = Resources.from_values(where, given).merged(asked, where).to_values() | processes
    return {"run_cfg": needs} if needs else {}
