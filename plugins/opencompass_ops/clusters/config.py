"""A cluster's settings: typed, validated once, plain JSON when they travel."""

from __future__ import annotations

import dataclasses
import difflib
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opencompass_ops.clusters.environment import inherited, looks_secret
from opencompass_ops.clusters.resources import Resources
from opencompass_ops.contract import codec
from opencompass_ops.errors import ConfigError

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(frozen=True)
class Limits:
    """What no run may exceed on this cluster.

    :param max_num_workers: jobs of one run alive at once, None for what the run asks.
    :param minutes: time limit of a job, None for none.
    """

    max_num_workers: int | None = None
    minutes: int | None = None


@dataclass(frozen=True)
class ClusterConfig:
    """One cluster as a file ``include/configs/clusters/NAME.py`` describes it.

    :param name: what people choose in the form.
    :param kind: the backend, a module of this package: ``local``.
    :param connection_id: the Airflow connection to reach it by.
    :param work_dir: where run directories are made.
    :param data_dir: the folder relative data paths are resolved against.
    :param python: interpreter of the jobs, None for the one that runs this code.
    :param code_dir: folders for the jobs' ``PYTHONPATH``, None for this source tree.
    :param mounts: host path -> the same folder as jobs see it.
    :param setup: environment modules and the like, prepared before the job.
    :param env: variables for every job; names that look like secrets are refused.
    :param max_workers_per_gpu: jobs that may share a device.
    :param poll_interval: longest time between two status queries, in seconds.
    :param state_dir: where the local backend remembers its jobs, "" for the user's state folder.
    """

    name: str
    kind: str = "local"
    connection_id: str = ""
    work_dir: str = ""
    data_dir: str = ""
    python: str | None = None
    code_dir: tuple[str, ...] | None = None
    mounts: Mapping[str, str] = field(default_factory=dict)
    setup: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    resources: Resources = field(default_factory=Resources)
    limits: Limits = field(default_factory=Limits)
    max_workers_per_gpu: int = 1
    poll_interval: float = 2.0
    state_dir: str = ""

    @classmethod
    def from_values(cls, name: str, values: Mapping[str, Any]) -> ClusterConfig:
        """Validate the plain values of a config file or of :meth:`to_values`.

        :raises ConfigError: an unknown key, a value of the wrong type, or a secret in ``env``.
        """
        given = {key: value for key, value in values.items() if key != "name"}
        return cls(name=name, **_parse(f"cluster {name!r}", given, _FIELDS))

    def to_values(self) -> dict[str, Any]:
        """Plain JSON values that :meth:`from_values` reads."""
        plain = dataclasses.asdict(self)
        plain["setup"] = list(self.setup)
        plain["code_dir"] = None if self.code_dir is None else list(self.code_dir)
        return plain

    @property
    def digest(self) -> str:
        """Equal settings, equal digest."""
        return codec.digest(self.to_values())

    @property
    def interpreter(self) -> str:
        """The Python that runs the jobs."""
        return self.python or sys.executable

    @property
    def code_folders(self) -> tuple[str, ...]:
        """Folders for the jobs' ``PYTHONPATH``; empty when both packages are installed as a wheel."""
        if self.code_dir is not None:
            return self.code_dir
        plugins = Path(__file__).resolve().parents[2]
        root = plugins.parent
        is_source_tree = plugins.name == "plugins" and (root / "inference" / "__init__.py").is_file()
        return (str(root), str(plugins)) if is_source_tree else ()

    @property
    def variables(self) -> dict[str, str]:
        """What every job of this cluster finds in its environment."""
        path = {"PYTHONPATH": os.pathsep.join(self.code_folders)} if self.code_folders else {}
        return {**path, **self.env}

    def job_environment(self) -> dict[str, str]:
        """The whole environment of a process on this host: a short list of this process's variables, and ours."""
        return {**inherited(os.environ), **self.variables}


Parser = Callable[[str, Any], Any]


def _parse(where: str, values: Mapping[str, Any], fields: Mapping[str, Parser]) -> dict[str, Any]:
    for key in values:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(fields)}"
            raise ConfigError(f"{where}: unknown key {key!r}; {hint}")
    return {key: fields[key](f"{where}: {key}", value) for key, value in values.items()}


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ConfigError(f"{where} must be a string, not {value!r}")
    return value


def _maybe_text(where: str, value: Any) -> str | None:
    return None if value is None else _text(where, value)


def _texts(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ConfigError(f"{where} must be a list of strings, not {value!r}")
    return tuple(_text(f"{where}[{index}]", item) for index, item in enumerate(value))


def _folders(where: str, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    return (value,) if isinstance(value, str) else _texts(where, value)


def _mapping(where: str, value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a dict of strings, not {value!r}")
    return {_text(f"{where} key", key): _text(f"{where}[{key!r}]", item) for key, item in value.items()}


def _env(where: str, value: Any) -> dict[str, str]:
    env = _mapping(where, value)
    for name in env:
        if not _VARIABLE.match(name):
            raise ConfigError(f"{where}: {name!r} is no name of an environment variable")
        if looks_secret(name):
            raise ConfigError(
                f"{where}: {name!r} looks like a secret, and this config is copied into plan.json; "
                "put it into an Airflow connection or the environment of the cluster's account"
            )
    return env


def _count(minimum: int) -> Parser:
    def parse(where: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise ConfigError(f"{where} must be a whole number of at least {minimum}, not {value!r}")
        return value

    return parse


def _maybe_count(where: str, value: Any) -> int | None:
    return None if value is None else int(_count(1)(where, value))


def _seconds(where: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0.1 <= value <= 3600:
        raise ConfigError(f"{where} must be seconds between 0.1 and 3600, not {value!r}")
    return float(value)


def _resources(where: str, value: Any) -> Resources:
    return Resources(**_parse(where, _section(where, value), {"num_gpus": _count(0)}))


def _limits(where: str, value: Any) -> Limits:
    return Limits(**_parse(where, _section(where, value), {"max_num_workers": _maybe_count, "minutes": _maybe_count}))


def _section(where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} must be a dict, not {value!r}")
    return value


_FIELDS: dict[str, Parser] = {
    "kind": _text,
    "connection_id": _text,
    "work_dir": _text,
    "data_dir": _text,
    "python": _maybe_text,
    "code_dir": _folders,
    "mounts": _mapping,
    "setup": _texts,
    "env": _env,
    "resources": _resources,
    "limits": _limits,
    "max_workers_per_gpu": _count(1),
    "poll_interval": _seconds,
    "state_dir": _text,
}
