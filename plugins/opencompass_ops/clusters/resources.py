"""What a job asks its cluster for: typed, validated once, never a string of options."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opencompass_ops.clusters import values as v
from opencompass_ops.clusters.extra_args import extra_args, replaced
from opencompass_ops.errors import ConfigError

NONE, PYTORCH, SLURM = "none", "pytorch", "slurm"


@dataclass(frozen=True)
class Resources:
    """Resources of one job; None or empty where the cluster's own default shall hold.

    A job stays within one node. Its parts run as tasks, one per GPU, or one per process where there are more
    processes than GPUs; ``cpus_per_task`` counts for each of them.

    :param num_gpus: devices per job.
    :param gpu_type: kind of device where a cluster has several, e.g. ``h100``.
    :param gpus_per_node: devices of a node; a job that asks for more is refused.
    :param gres: generic resources other than GPUs, e.g. ``tmpfs:10G``.
    :param cpus_per_task: CPUs for each GPU or process.
    :param mem: host memory of the whole job, e.g. ``64G``; without a unit it is MiB.
    :param minutes: expected time of the job.
    :param quotatype: ``auto``, ``reserved`` or ``spot``.
    :param constraint: features that a node must have, in Slurm's words.
    :param exclude: nodes that shall not be used.
    :param nice: how much lower than usual the priority is.
    :param launcher: ``none`` one process, ``pytorch`` torchrun, ``slurm`` srun.
    :param extra_args: further options of sbatch, each ``--option=value`` or ``--option``, from a list of allowed ones.
    """

    num_gpus: int | None = None
    gpu_type: str = ""
    gpus_per_node: int | None = None
    gres: str = ""
    cpus_per_task: int | None = None
    mem: str = ""
    minutes: int | None = None
    partition: str = ""
    quotatype: str = ""
    qos: str = ""
    account: str = ""
    constraint: str = ""
    exclude: tuple[str, ...] = ()
    reservation: str = ""
    nice: int | None = None
    launcher: str = ""
    extra_args: tuple[str, ...] = ()

    @classmethod
    def from_values(cls, where: str, values: Any) -> Resources:
        """Validate plain values, under our names or the ones that OpenCompass, MMAction2 and Slurm use.

        :param where: what they belong to, for errors.
        :raises ConfigError: an unknown name, a wrong value, or values that contradict one another.
        """
        named = v.parse(where, _renamed(where, values), _FIELDS)
        counted = _separated(where, named)
        return cls(**counted)._checked(where)

    def to_values(self) -> dict[str, Any]:
        """Plain JSON values that :meth:`from_values` reads; only what was said."""
        said = {name: value for name, value in dataclasses.asdict(self).items() if value is not None and value != ""}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in said.items() if value != ()}

    def merged(self, other: Resources, where: str = "resources") -> Resources:
        """These resources where the other says nothing; excluded nodes and extra options add up.

        :param other: the stronger one: the model's ``run_cfg`` over the cluster's, the form over both.
        :raises ConfigError: together they contradict one another.
        """
        said = {name: value for name in _NAMES if (value := getattr(other, name)) not in (None, "", ())}
        said["exclude"] = tuple(dict.fromkeys((*self.exclude, *other.exclude)))
        said["extra_args"] = replaced(self.extra_args, other.extra_args)
        return dataclasses.replace(self, **said)._checked(where)

    def _checked(self, where: str) -> Resources:
        if self.gpus_per_node is not None and (self.num_gpus or 0) > self.gpus_per_node:
            raise ConfigError(
                f"{where}: {self.num_gpus} GPUs are more than the {self.gpus_per_node} of a node, and a job stays "
                "within one node; lower num_gpus, or split the model's work into more shards"
            )
        return self


def value_of(where: str, name: str, value: Any) -> Any:
    """One field's value, typed.

    :param where: its own place, for errors.
    :param name: the field's.
    :raises ConfigError: a value that it cannot have.
    """
    return _FIELDS[name](where, value)


_WORD = r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*"
_NODE = r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:\[[0-9,-]+\][A-Za-z0-9_.-]*)*"
_GRES = r"[A-Za-z0-9_]+(?::[A-Za-z0-9_.-]+)*"
_KIND = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_FEATURES = r"(?!-)[A-Za-z0-9_.:=+&|!*,()\[\]-]+"

_name = v.matching(_WORD, "a name of letters, digits and _ . @ + -")
_names = v.matching(rf"{_WORD}(?:,{_WORD})*", "a name, or several with commas between")

_DURATION = re.compile(r"(?:(?P<days>\d+)-)?(?P<parts>\d+(?::\d+){0,2})\Z", re.ASCII)


def _minutes(where: str, value: Any) -> int:
    """Whole minutes, or text as Slurm writes times, rounded up."""
    if not isinstance(value, str):
        return int(v.count(1)(where, value))
    found = _DURATION.match(value)
    if not found:
        raise ConfigError(f"{where} must be minutes or a time like '1-12:00:00' or '90:00', not {value!r}")
    parts = [int(part) for part in found["parts"].split(":")]
    # Slurm reads M, M:S and H:M:S, and behind days H, H:M and H:M:S.
    units = (3600, 60, 1) if found["days"] or len(parts) == 3 else (60, 1)
    seconds = int(found["days"] or 0) * 86400 + sum(part * unit for part, unit in zip(parts, units, strict=False))
    return int(v.count(1)(where, math.ceil(seconds / 60)))


def _gpus(where: str, value: Any) -> tuple[str, int]:
    """Type ("" for any) and number of GPUs: ``2``, ``"2"`` or ``"h100:2"``."""
    if isinstance(value, str) and (found := re.fullmatch(rf"(?:({_KIND}):)?(\d+)", value, re.ASCII)):
        return found[1] or "", int(found[2])
    return "", int(v.count(0)(where, value))


def _exclude(where: str, value: Any) -> tuple[str, ...]:
    """Node names or ranges; in one string they are separated by commas outside of brackets."""
    given = re.split(r",(?![^\[]*\])", value) if isinstance(value, str) and value else value or ()
    node = v.matching(_NODE, "a node name or range like 'n[01-04]'")
    return tuple(item for item in v.items(node)(where, given) if item)


_FIELDS: dict[str, v.Parser] = {
    "num_gpus": v.maybe(v.count(0)),
    "gpu_type": v.matching(_KIND, "a GPU type like 'h100'"),
    "gpus_per_node": v.maybe(v.count(1)),
    "gres": v.matching(rf"{_GRES}(?:,{_GRES})*", "generic resources like 'gpu:h100:2,tmpfs:10G'"),
    "cpus_per_task": v.maybe(v.count(1)),
    "mem": v.matching(r"\d+[KMGT]?", "a size like '64G'"),
    "minutes": v.maybe(_minutes),
    "partition": _names,
    "quotatype": v.choice("auto", "reserved", "spot"),
    "qos": _name,
    "account": _name,
    "constraint": v.matching(_FEATURES, "node features like 'h100&ib'"),
    "exclude": _exclude,
    "reservation": _names,
    "nice": v.maybe(v.count(0)),
    "launcher": v.choice(NONE, PYTORCH, SLURM),
    "extra_args": extra_args,
    "gpus": _gpus,
}
_NAMES = tuple(field.name for field in dataclasses.fields(Resources))
_OTHER_NAMES = {
    "GPUS": "gpus",
    "GPUS_PER_NODE": "gpus_per_node",
    "CPUS_PER_TASK": "cpus_per_task",
    "SRUN_ARGS": "extra_args",
    "extra_command": "extra_args",
    "time": "minutes",
}
"""What OpenCompass, MMAction2's ``slurm_train.sh`` and sbatch call our fields."""


def _renamed(where: str, values: Any) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for key, value in v.section(where, values).items():
        ours = _OTHER_NAMES.get(key, key)
        if ours in named:
            raise ConfigError(f"{where}: {key!r} says {ours!r} a second time; keep one of them")
        named[ours] = value
    return named


def _separated(where: str, named: dict[str, Any]) -> dict[str, Any]:
    """``num_gpus`` and ``gpu_type`` once, whether they were given as such, as ``gpus`` or within ``gres``."""
    others = []
    said = [("num_gpus", named.get("gpu_type", ""), named.get("num_gpus"))]
    if "gpus" in named:
        said.append(("gpus", *named.pop("gpus")))
    for entry in filter(None, named.get("gres", "").split(",")):
        kind, _, rest = entry.partition(":")
        if kind == "gpu":
            said.append(("gres", *_gpus(f"{where}: gres {entry!r}", rest or 1)))
        else:
            others.append(entry)
    named["gres"] = ",".join(others)
    named["gpu_type"] = _agreed(where, "type", {name: kind for name, kind, _ in said if kind}) or ""
    named["num_gpus"] = _agreed(where, "number", {name: count for name, _, count in said if count is not None})
    return named


def _agreed(where: str, what: str, said: Mapping[str, Any]) -> Any:
    if len(set(said.values())) > 1:
        told = " and ".join(f"{name} {value!r}" for name, value in said.items())
        raise ConfigError(f"{where}: the {what} of GPUs is said twice, {told}; keep one of them")
    return next(iter(said.values()), None)
