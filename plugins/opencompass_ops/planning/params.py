"""What a request can say, as a form, a REST schema and a command line: :data:`table.PARAMETERS` read in each way."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from opencompass_ops.planning.parameter import OVERRIDE_FIELDS, Parameter, nearest
from opencompass_ops.planning.table import PARAMETERS
from opencompass_ops.planning.table.headings import RESOURCES

__all__ = [
    "BY_NAME",
    "OF_CLUSTER",
    "OVERRIDE_FIELDS",
    "PARAMETERS",
    "Parameter",
    "add_arguments",
    "form",
    "from_arguments",
    "in_vain",
    "is_said",
    "misplaced",
    "nearest",
]

OF_CLUSTER = tuple(parameter for parameter in PARAMETERS if parameter.section == RESOURCES)
"""What is asked of the cluster, under the names of ``clusters.resources``."""

BY_NAME: Mapping[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}


def form(
    proposals: Mapping[str, Sequence[str]] | None = None, parameters: Sequence[Parameter] = PARAMETERS
) -> dict[str, dict[str, Any]]:
    """For each parameter that has an effect the keyword arguments of ``airflow.sdk.Param``.

    :param proposals: for a parameter's name, the values that the form offers (config files, clusters).
    :param parameters: those that the form shows.
    """
    offered = proposals or {}
    return {
        parameter.name: {**_default(parameter), **parameter.schema(offered.get(parameter.name, ()))}
        for parameter in parameters
        if parameter.is_live
    }


def in_vain(params: Mapping[str, Any]) -> tuple[str, ...]:
    """A warning for each thing that was said and changes nothing."""
    return tuple(
        f"{parameter.flags[-1]} ({parameter.name}) has no effect: {parameter.dead}"
        for parameter in PARAMETERS
        if parameter.dead and is_said(parameter, params)
    )


def misplaced(params: Mapping[str, Any], kinds: Collection[str]) -> tuple[str, ...]:
    """A warning for each thing that was said and that no cluster of the run knows.

    :param kinds: of the clusters on which the run's stages are.
    """
    return tuple(
        f"{parameter.flags[-1]} ({parameter.name}) has no effect: it is for clusters of the kind "
        f"{' or '.join(parameter.kinds)}, and this run is on {' and '.join(sorted(kinds))}; name a cluster of that "
        "kind (--cluster NAME), or leave it out"
        for parameter in PARAMETERS
        if parameter.kinds and not set(parameter.kinds) & set(kinds) and is_said(parameter, params)
    )


def is_said(parameter: Parameter, params: Mapping[str, Any]) -> bool:
    """Whether params say something else than the default."""
    value = params.get(parameter.name, parameter.default)
    return value not in (None, "", [], parameter.default)


def _default(parameter: Parameter) -> dict[str, Any]:
    return {"default": list(parameter.default) if parameter.kind == "array" else parameter.default}


def add_arguments(parser: argparse.ArgumentParser, parameters: Sequence[Parameter] = PARAMETERS) -> None:
    """Add parameters to a command line."""
    for parameter in parameters:
        parameter.add_argument(parser)


def from_arguments(namespace: argparse.Namespace, parameters: Sequence[Parameter] = PARAMETERS) -> dict[str, Any]:
    """The params that a parsed command line says, as the form would send them; flags without effect where said."""
    said = {
        parameter.name: [] if value is None and parameter.kind == "array" else value
        for parameter in parameters
        for value in [getattr(namespace, parameter.name)]
    }
    return {
        parameter.name: said[parameter.name]
        for parameter in parameters
        if parameter.is_live or is_said(parameter, said)
    }
