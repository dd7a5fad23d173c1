"""What a request asks of its cluster, laid over what the cluster config and the models say for themselves.

The person who starts the run has the last word, as with OpenCompass's flags: the cluster config says what is usual,
a model's ``run_cfg`` what this model needs, and the request what holds for every job of this run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.registry import open_cluster
from opencompass_ops.clusters.resources import Resources, value_of
from opencompass_ops.clusters.software import Container
from opencompass_ops.clusters.values import plain
from opencompass_ops.culprits import Culprits
from opencompass_ops.errors import ConfigError
from opencompass_ops.planning.params import OF_CLUSTER
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.sections import EVAL, Stage
from opencompass_ops.srun_options import srun_resources

_PROCESSES = "num_procs"
"""The key of ``run_cfg`` that says how a job starts, not what it needs."""


class Asked(Protocol):
    """A request, or one stage of it."""

    @property
    def resources(self) -> Mapping[str, Any]:
        """What is asked of the cluster, under the names of ``clusters.resources``; only what was said."""
        ...


def with_all_asked(name: str, stage: Stage, request: Request, kind: str) -> Stage:
    """The stage with all that is asked of its cluster: the runner's keys, its ``extra_command`` over them, the request.

    :param name: ``infer`` or ``eval``.
    :param kind: of the stage's cluster. Of what was typed it is asked what its kind knows; where people named the
        cluster themselves it is asked all, and has to honour it.
    :raises ConfigError: a value that cannot be; the message has its path in the config.
    """
    where = f"{name}.runner"
    typed = _typed(name, request, kind) if stage.is_asked else {}
    wrong = Culprits()
    said = {
        key: wrong.of(value_of, None, f"{where}.{key}", key, value)
        for key, value in stage.resources.items()
        if key not in typed
    }
    command = stage.extra_command
    srun = wrong.of(srun_resources, {}, f"{where}.extra_command", command) if command else {}
    wrong.refuse()
    return replace(stage, resources={**said, **srun, **typed})


def _typed(name: str, request: Request, kind: str) -> dict[str, Any]:
    named = request.cluster or (name == EVAL and request.eval_cluster)
    known = {parameter.name for parameter in OF_CLUSTER if named or not parameter.kinds or kind in parameter.kinds}
    return {key: value for key, value in request.resources.items() if key in known}


def cluster_for(asked: Asked, cluster: ClusterConfig) -> ClusterConfig:
    """The cluster config with the resources that are asked for.

    :raises ConfigError: a value is wrong, or this kind of cluster cannot honour it.
    """
    config = replace(cluster, resources=cluster.resources.merged(_resources(asked)))
    try:
        open_cluster(config)
    except ConfigError as error:
        said = ", ".join(f"{name}={value!r}" for name, value in asked.resources.items())
        raise ConfigError(f"{said} was asked for; {error}") from error
    return config


def with_image(cluster: ClusterConfig, image: str | None) -> ClusterConfig:
    """The cluster config with another image for its jobs.

    :raises ConfigError: it runs no containers, or its runtime takes no such image.
    """
    if image is None:
        return cluster
    if cluster.container is None:
        raise ConfigError(
            f"image={image!r}: jobs of cluster {cluster.name!r} run in no container; give its config a container, or "
            "leave the image out"
        )
    values = {**plain(asdict(cluster.container)), "image": image, "archive": ""}
    return replace(cluster, container=Container.from_values("image", values))


def models_for(asked: Asked, models: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The model configs, each ``run_cfg`` validated, under our names, with the resources that are asked for.

    :raises ConfigError: a ``run_cfg`` has an unknown key or a wrong value.
    """
    resources = _resources(asked)
    return [dict(model) | _run_cfg(model, resources) for model in models]


def _resources(asked: Asked) -> Resources:
    return Resources.from_values("request", asked.resources)


def _run_cfg(model: Mapping[str, Any], asked: Resources) -> dict[str, Any]:
    where = f"model {model['abbr']}: run_cfg"
    given = dict(model.get("run_cfg") or {})
    processes = {_PROCESSES: given.pop(_PROCESSES)} if _PROCESSES in given else {}
    needs = Resources.from_values(where, given).merged(asked, where).to_values() | processes
    return {"run_cfg": needs} if needs else {}
