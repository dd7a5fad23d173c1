"""A cluster's settings: typed, validated once, plain JSON when they travel."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from opencompass_ops import shipped
from opencompass_ops.clusters import values as v
from opencompass_ops.clusters.code import unpacked
from opencompass_ops.clusters.environment import inherited, judge
from opencompass_ops.clusters.resources import Resources
from opencompass_ops.clusters.software import Conda, Container, OpenCompass
from opencompass_ops.contract import codec
from opencompass_ops.contract.spec import OPENCOMPASS
from opencompass_ops.errors import ConfigError

_POLL_SECONDS = {"local": 2.0}
_REMOTE_POLL_SECONDS = 60.0
_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE")


class Account(NamedTuple):
    """What clusters must agree in to share one connection and one poll."""

    kind: str
    connection_id: str
    state_dir: str


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
    :param kind: the backend, a module of this package: ``local`` or ``slurm``.
    :param connection_id: the Airflow connection to reach it by, "" where its commands run on this host.
    :param work_dir: where run directories are made.
    :param data_dir: the folder relative data paths are resolved against.
    :param python: interpreter of the jobs, None for this one on this host, ``python3`` elsewhere.
    :param code_dir: folders for the jobs' ``PYTHONPATH``, None for this source tree.
    :param mounts: folder as this host sees it -> the same folder as jobs see it.
    :param setup: lines of a bash script that every job sources first; the first command that fails ends the job.
    :param modules: environment modules that every job loads.
    :param conda: the conda environment of the jobs.
    :param library_path: folders put first on every job's ``LD_LIBRARY_PATH``.
    :param container: the image that jobs run in.
    :param opencompass: what runs shards that only OpenCompass itself can; None where there is none.
    :param nccl_interface: network interface for NCCL.
    :param offline: whether jobs may not ask the Hugging Face hub.
    :param env: variables for every job; names that look like secrets are refused.
    :param secrets: names of variables whose values come from the connection's extra or this host's environment.
    :param umask: octal, for what jobs write.
    :param group: Unix group that run directories belong to.
    :param probe_on: where data and weights are looked at before a run is planned: this ``host`` or the ``login`` node.
    :param has_quotatype: whether this site's sbatch knows ``--quotatype``.
    :param max_workers_per_gpu: jobs that may share a device.
    :param poll_interval: longest time between two status queries, in seconds; None for the kind's usual one.
    :param state_dir: where the backend remembers its jobs, "" for the user's state folder.
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
    modules: tuple[str, ...] = ()
    conda: Conda | None = None
    library_path: tuple[str, ...] = ()
    container: Container | None = None
    opencompass: OpenCompass | None = None
    nccl_interface: str = ""
    offline: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    umask: str = "022"
    group: str = ""
    probe_on: str = "host"
    has_quotatype: bool = False
    resources: Resources = field(default_factory=Resources)
    limits: Limits = field(default_factory=Limits)
    max_workers_per_gpu: int = 1
    poll_interval: float | None = None
    state_dir: str = ""

    @classmethod
    def from_values(cls, name: str, values: Mapping[str, Any]) -> ClusterConfig:
        """Validate the plain values of a config file or of :meth:`to_values`.

        :raises ConfigError: an unknown key, a wrong value, a secret in ``env``, or a relative folder of a remote host.
        """
        given = {key: value for key, value in values.items() if key != "name"}
        config = cls(name=name, **v.parse(f"cluster {name!r}", given, _FIELDS))
        config._check()
        return config

    def _check(self) -> None:
        for key in ("work_dir", "data_dir", "state_dir") if self.connection_id else ():
            folder = getattr(self, key)
            if folder and not folder.startswith("/"):
                raise ConfigError(
                    f"cluster {self.name!r}: {key} {folder!r} is relative, and the cluster is another host "
                    f"(connection_id {self.connection_id!r}); give an absolute path"
                )
        for key in ("conda", "library_path") if self.container else ():
            if getattr(self, key):
                raise ConfigError(
                    f"cluster {self.name!r}: {key} has no meaning in a container; build it into the image, and name "
                    "the image's interpreter with python"
                )

    def to_values(self) -> dict[str, Any]:
        """Plain JSON values that :meth:`from_values` reads."""
        values = v.plain(dataclasses.asdict(self))
        return {**values, "resources": self.resources.to_values()}

    @property
    def digest(self) -> str:
        """Equal settings, equal digest."""
        return codec.digest(self.to_values())

    def for_engine(self, engine: str) -> ClusterConfig:
        """The cluster as jobs of an engine need it: in OpenCompass's environment where that is the engine."""
        found = self.opencompass
        if engine != OPENCOMPASS or found is None:
            return self
        inside = found.container is not None
        return replace(
            self,
            python=found.python or None,
            container=found.container or self.container,
            # An image brings its own; an interpreter by path needs no environment entered before it.
            conda=None,
            library_path=() if inside else self.library_path,
        )

    def for_probe(self, engine: str) -> ClusterConfig:
        """The cluster as a probe of an engine needs it, which runs beside the jobs and in no image."""
        found = self.opencompass
        if engine != OPENCOMPASS or found is None:
            return self
        return replace(self.for_engine(engine), python=found.probe_python or found.python, container=None)

    @property
    def interpreter(self) -> str:
        """The Python that runs the jobs."""
        return self.python or ("python3" if self.connection_id or self.container else sys.executable)

    @property
    def poll_seconds(self) -> float:
        """Longest time between two status queries."""
        return self.poll_interval or _POLL_SECONDS.get(self.kind, _REMOTE_POLL_SECONDS)

    @property
    def account(self) -> Account:
        """Configs with equal accounts share one connection and one poll."""
        return Account(self.kind, self.connection_id, self.state_dir)

    def on_cluster(self, path: str) -> str:
        """A path of this host as jobs see it: by the longest mount that holds it, else the path itself."""
        return _mapped(path, self.mounts)

    def on_host(self, path: str) -> str:
        """A path that jobs see, as this host sees it; the way back of :meth:`on_cluster`."""
        return _mapped(path, {inside: outside for outside, inside in self.mounts.items()})

    @property
    def code_folders(self) -> tuple[str, ...]:
        """Folders for the jobs' ``PYTHONPATH``; empty when the code is sent, or installed where the jobs look."""
        if self.code_dir is not None:
            return self.code_dir
        if self.kind != "local":
            return ()
        if root := shipped.source_tree():
            return str(root), str(root / "plugins")
        return () if self.interpreter == sys.executable else (str(unpacked()),)

    @property
    def variables(self) -> dict[str, str]:
        """What every job of this cluster finds in its environment."""
        path = {"PYTHONPATH": os.pathsep.join(self.code_folders)} if self.code_folders else {}
        nccl = {"NCCL_SOCKET_IFNAME": self.nccl_interface} if self.nccl_interface else {}
        offline = dict.fromkeys(_OFFLINE, "1") if self.offline else {}
        return {**path, **nccl, **offline, **self.env}

    def job_environment(self, has_secrets: bool = True) -> dict[str, str]:
        """The whole environment of a process on this host: a short list of this process's variables, and ours.

        :param has_secrets: whether the key of a judge is among them.
        """
        return {**inherited(os.environ), **(judge(os.environ) if has_secrets else {}), **self.variables}


def _mapped(path: str, folders: Mapping[str, str]) -> str:
    holders = [folder for folder in folders if PurePosixPath(path).is_relative_to(folder)]
    if not holders:
        return path
    folder = max(holders, key=lambda candidate: len(PurePosixPath(candidate).parts))
    return str(PurePosixPath(folders[folder]) / PurePosixPath(path).relative_to(folder))


def _limits(where: str, value: Any) -> Limits:
    return Limits(**v.parse(where, value, {"max_num_workers": v.maybe(v.count(1)), "minutes": v.maybe(v.count(1))}))


def _library_path(where: str, value: Any) -> tuple[str, ...]:
    return tuple(v.items(v.matching(r"/[^:\x00-\x1f]*", "an absolute folder without ':'"))(where, value))


_FIELDS: dict[str, v.Parser] = {
    "kind": v.text,
    "connection_id": v.text,
    "work_dir": v.text,
    "data_dir": v.text,
    "python": v.maybe(v.text),
    "code_dir": v.folders,
    "mounts": v.mapping,
    "setup": v.texts,
    "modules": v.items(v.matching(r"[A-Za-z0-9_][A-Za-z0-9_.+/@=-]*", "a module's name like 'cuda/12.4'")),
    "conda": Conda.from_values,
    "library_path": _library_path,
    "container": Container.from_values,
    "opencompass": OpenCompass.from_values,
    "nccl_interface": v.matching(r"[A-Za-z0-9_.,:^=-]+", "an interface like 'ib0' or '^docker0'"),
    "offline": v.flag,
    "env": v.env,
    "secrets": v.items(v.variable),
    "umask": v.matching("0?[0-7]{3}", "an octal umask like '002'"),
    "group": v.matching("[A-Za-z0-9_][A-Za-z0-9_.-]*", "the name of a group"),
    "probe_on": v.choice("host", "login"),
    "has_quotatype": v.flag,
    "resources": Resources.from_values,
    "limits": _limits,
    "max_workers_per_gpu": v.count(1),
    "poll_interval": v.maybe(v.seconds),
    "state_dir": v.text,
}
