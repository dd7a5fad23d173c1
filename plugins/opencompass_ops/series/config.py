"""A series as a file ``include/configs/series/NAME.yaml`` describes it: plain YAML, read without executing anything.

DAG files read it whenever they are parsed, so nothing heavy is imported here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from opencompass_ops.clusters import values as v
from opencompass_ops.configs.library import config_folders
from opencompass_ops.configs.yaml_file import read_yaml
from opencompass_ops.errors import ConfigError, InputError
from opencompass_ops.gates.policy import GatePolicy
from opencompass_ops.planning.params import OVERRIDE_FIELDS
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.steps import training_step
from opencompass_ops.series.pattern import STEP, Pattern
from opencompass_ops.series.readiness import Rules
from opencompass_ops.series.selection import Limits

ENVIRONMENT = "OPENCOMPASS_OPS_SERIES"
"""Names a folder with the series, in place of ``series/`` in the config folders."""

FOLDER = "series"
SUFFIX = ".yaml"
WORKER, CLUSTER = "worker", "cluster"
BUCKET_SCHEMES = ("s3", "oss")
HUB_SCHEME = "hf"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_PRESETS = ("@hourly", "@daily", "@weekly", "@monthly")
_RANDOM = re.compile(r"(?<![A-Za-z])[RrHh](?![A-Za-z])")
_OURS = ("config", "model_overrides", "cluster", "mode", "reuse", "dry_run", "debug", "series", "gate", "baseline")
"""Parameters of a run that the series itself sets, or that make no sense for it."""


@dataclass(frozen=True)
class PlaceConfig:
    """Where checkpoints appear.

    :param at: a folder, or ``s3://BUCKET/PREFIX``, ``oss://BUCKET/PREFIX``, ``hf://OWNER/REPOSITORY``.
    :param pattern: of a checkpoint's path below it; of a revision's name in a repository.
    :param on: whose folder it is: the ``worker``'s or the ``cluster``'s.
    :param connection: Airflow connection of the object store or hub, "" for what the environment says.
    :param mount: the folder as which jobs see the bucket's prefix.
    :param stage: folder of the worker into which checkpoints are downloaded for the jobs.
    """

    at: str
    pattern: Pattern
    on: str = WORKER
    connection: str = ""
    mount: str = ""
    stage: str = ""

    @property
    def scheme(self) -> str:
        """``s3``, ``oss`` or ``hf``; "" for a folder."""
        scheme, separator, _ = self.at.partition("://")
        return scheme if separator else ""


@dataclass(frozen=True)
class Series:
    """One training run and how its checkpoints are evaluated.

    :param name: the file's name; the DAG is called ``opencompass_checkpoints_NAME``.
    :param suite: what is evaluated: ``SUITE@VERSION``, or any config.
    :param owner: user on whose account the evaluations go; "" for who had the series look, if anybody.
    :param cluster: name of a cluster config, "" for what the suite says.
    :param schedule: cron expression; "" for a series that is only triggered.
    :param timezone: in which the cron expression, and times without a zone, are meant.
    :param baseline: the checkpoint that others are compared with: a version such as ``0.0.1``, that of another series
        (``SERIES@0.0.1``), or a model's name.
    :param abbr: name of a checkpoint in tables; ``{step}`` and ``{series}`` stand for what they say.
    :param tokenizer_path: where the tokenizer lies, "" for the checkpoint's own.
    :param params: further parameters of every run.
    :param gate: settings of the gate, as they are.
    :param dag: the DAG whose runs are the evaluations.
    """

    name: str
    checkpoints: PlaceConfig
    suite: str
    title: str = ""
    owner: str = ""
    cluster: str = ""
    schedule: str = ""
    timezone: str = "UTC"
    baseline: str = ""
    ready: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    abbr: str = "{series}-step-{step}"
    tokenizer_path: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    gate: Mapping[str, Any] = field(default_factory=dict)
    dag: str = "opencompass_eval"

    @classmethod
    def from_values(cls, name: str, values: Any) -> Series:
        """Validate the plain values of a file.

        :raises ConfigError: says what is wrong, where, and what would be right.
        """
        where = f"series {name!r}"
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{where}: its file must be called by letters, digits, '_' and '-' only")
        given = v.parse(where, values, _FIELDS)
        for key in ("checkpoints", "suite"):
            if not given.get(key):
                raise ConfigError(f"{where}: {key} is missing; docs/series.md has a whole example")
        model = given.pop("model", {})
        limits, zone = given.get("limits", Limits()), ZoneInfo(given.get("timezone", "UTC"))
        given["limits"] = replace(limits, after=_in(zone, limits.after), before=_in(zone, limits.before))
        series = cls(name=name, **given, **{key: value for key, value in model.items() if value})
        series._check(where)
        return series

    def _check(self, where: str) -> None:
        place = self.checkpoints
        if place.on == CLUSTER and (place.scheme or not self.cluster):
            raise ConfigError(f"{where}: checkpoints: on: cluster means a folder of the cluster; name it with cluster")
        if not place.scheme and not place.at.startswith(("/", "~/")):
            raise ConfigError(f"{where}: checkpoints: at: {place.at!r} must be an absolute folder or a URL")
        if not place.scheme and (place.mount or place.stage):
            raise ConfigError(f"{where}: checkpoints: mount and stage are for object stores; a folder needs neither")
        if place.scheme and bool(place.mount) + bool(place.stage) != 1:
            raise ConfigError(f"{where}: checkpoints: jobs read folders; say where they see {place.at}: mount or stage")
        if place.scheme == HUB_SCHEME and place.mount:
            raise ConfigError(f"{where}: checkpoints: revisions of a repository cannot be mounted; say stage")
        if training_step(self.name_of(12345)) != 12345:
            raise ConfigError(f"{where}: model: abbr {self.abbr!r} must tell the step, such as {{series}}-step-{STEP}")
        try:
            GatePolicy.from_values(self.gate)
            Request.from_params({"config": self.suite, **self.run_params()})
        except InputError as error:
            raise ConfigError(f"{where}: {error}") from error

    def run_params(self) -> dict[str, Any]:
        """The parameters of every run of the series but the checkpoint's own."""
        said = {
            "cluster": self.cluster,
            "series": self.name,
            "gate": json.dumps(self.gate, sort_keys=True) if self.gate else "",
            "baseline": self.baseline,
        }
        return {**self.params, **{name: value for name, value in said.items() if value}}

    def name_of(self, step: int) -> str:
        """A checkpoint's name in tables."""
        return self.abbr.replace("{series}", self.name).replace(STEP, str(step))

    @property
    def dag_id(self) -> str:
        """Of the DAG that looks for new checkpoints."""
        return f"opencompass_checkpoints_{self.name}"


def series_files() -> dict[str, Path]:
    """The file of each series by name; that of an earlier folder counts."""
    named = os.environ.get(ENVIRONMENT, "").strip()
    folders = [Path(named).expanduser()] if named else [folder / FOLDER for folder in config_folders()]
    found: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob(f"*{SUFFIX}")):
            found.setdefault(file.stem, file)
    return found


def read_series(name: str) -> Series:
    """One series by name.

    :raises ConfigError: there is none, or something in it is wrong.
    """
    files = series_files()
    if name not in files:
        raise ConfigError(f"there is no series {name!r}; there are: {', '.join(sorted(files)) or 'none'}")
    return read_file(files[name])


def read_file(file: Path) -> Series:
    """The series that a file describes.

    :raises ConfigError: it cannot be read, or something in it is wrong.
    """
    values = read_yaml(file)
    try:
        return Series.from_values(file.stem, values)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from error


def _named(where: str, value: Any) -> str:
    if not v.text(where, value).strip():
        raise ConfigError(f"{where} is empty; leave it out or say something")
    return str(value)


def _number(where: str, value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise ConfigError(f"{where} must be a number of at least 0, not {value!r}")
    return float(value)


def _moment(where: str, value: Any) -> datetime:
    """A date is its first moment."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        moment = None
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    if not isinstance(moment, datetime):
        raise ConfigError(f"{where} must be a date or a time such as 2026-11-21T08:00+08:00, not {value!r}")
    return moment


def _in(zone: ZoneInfo, moment: datetime | None) -> datetime | None:
    """What says no zone of its own is meant in the series'."""
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=zone)


def _cron(where: str, value: Any) -> str:
    from croniter import croniter

    # croniter also knows seconds, years and random or hashed times, of which every reading makes another schedule.
    five = isinstance(value, str) and len(value.split()) == 5 and not _RANDOM.search(value)
    if value not in _PRESETS and not (five and croniter.is_valid(value)):
        raise ConfigError(
            f"{where} must be a cron expression of five fields such as '*/10 * * * *', or one of "
            f"{', '.join(_PRESETS)}, not {value!r}"
        )
    return str(value)


def _timezone(where: str, value: Any) -> str:
    try:
        return ZoneInfo(v.text(where, value)).key
    except (ValueError, OSError, LookupError):
        raise ConfigError(f"{where}: {value!r} is no time zone; write one such as Asia/Shanghai") from None


def _at(where: str, value: Any) -> str:
    scheme, separator, rest = v.text(where, value).partition("://")
    if separator and (scheme not in (*BUCKET_SCHEMES, HUB_SCHEME) or not rest.strip("/")):
        known = ", ".join(f"{known}://" for known in (*BUCKET_SCHEMES, HUB_SCHEME))
        raise ConfigError(f"{where}: {value!r}: give a folder or a URL that begins with {known}")
    return str(value).rstrip("/") or "/"


def _pattern(where: str, value: Any) -> Pattern:
    try:
        return Pattern(v.text(where, value))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _section(kind: Callable[..., Any], fields: Mapping[str, v.Parser]) -> v.Parser:
    def parse(where: str, value: Any) -> Any:
        values = v.parse(where, value, fields)
        try:
            return kind(**values)
        except TypeError as error:  # a dataclass's own word for what is missing
            raise ConfigError(f"{where}: {str(error).partition(') ')[2] or error}") from None

    return parse


_PLACE: Mapping[str, v.Parser] = {
    "at": _at,
    "pattern": _pattern,
    "on": v.choice(WORKER, CLUSTER),
    "connection": v.text,
    "mount": _named,
    "stage": _named,
}
_READY: Mapping[str, v.Parser] = {
    "settle_minutes": _number,
    "marker": v.text,
    "checksums": v.text,
    "tokenizer": v.flag,
    "spread_minutes": _number,
}
_LIMITS: Mapping[str, v.Parser] = {
    "every": v.count(1),
    "newest_first": v.flag,
    "per_day": v.maybe(v.count(1)),
    "at_once": v.maybe(v.count(1)),
    "gpu_hours": v.maybe(_number),
    "attempts": v.count(1),
    "after_step": v.maybe(v.count(0)),
    "before_step": v.maybe(v.count(0)),
    "after": v.maybe(_moment),
    "before": v.maybe(_moment),
}


def _params(where: str, value: Any) -> dict[str, Any]:
    params = dict(v.section(where, value))
    ours = sorted(set(params) & set(_OURS))
    if ours:
        raise ConfigError(f"{where}: {', '.join(ours)} cannot be set here; the series sets it itself")
    return params


def _model(where: str, value: Any) -> dict[str, Any]:
    settable = OVERRIDE_FIELDS[1:]  # the path is the checkpoint's
    return v.parse(where, value, dict.fromkeys(settable, _named))


_FIELDS: Mapping[str, v.Parser] = {
    "title": v.text,
    "owner": v.text,
    "checkpoints": _section(PlaceConfig, _PLACE),
    "suite": _named,
    "cluster": v.text,
    "schedule": _cron,
    "timezone": _timezone,
    "baseline": v.text,
    "ready": _section(Rules, _READY),
    "limits": _section(Limits, _LIMITS),
    "model": _model,
    "params": _params,
    "gate": lambda where, value: dict(v.section(where, value)),
    "dag": _named,
}
