"""A suite: an evaluation that a lead keeps, of which a member may change what its allow-list names and nothing else.

Published versions are JSON files beside the suite's config, so they are read without running anything; DAG files import
this module when they are parsed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from opencompass_ops.budgets.hours import seconds
from opencompass_ops.configs.library import config_folders
from opencompass_ops.configs.load import LoadedConfig
from opencompass_ops.contract import codec
from opencompass_ops.errors import ConfigError, InputError
from opencompass_ops.planning.params import BY_NAME, OVERRIDE_FIELDS, PARAMETERS, Parameter, is_said
from opencompass_ops.planning.table.headings import HOW, LIMITS, OPEN, RESOURCES, WHERE
from opencompass_ops.planning.table.limits import RUN_LIMITS
from opencompass_ops.planning.table.patterns import HOURS

DRAFT = "draft"
"""The version that is the suite's config as it stands now."""

FOLDER = "suites"
FORMAT = 1

_NAME = re.compile(r"(?P<name>[A-Za-z0-9][\w-]*)@(?P<version>[A-Za-z0-9][\w.-]*)")
_ALWAYS = frozenset({"config", "dry_run", "reuse", "debug", "lark", "config_verbose", "series", "gate", "baseline"})
"""They change what is started and shown, not what is evaluated."""

_LIMITS = frozenset(parameter.name for parameter in RUN_LIMITS)
"""They change when a run stops, not what it finds: free up to what the lead has set."""

CHECKPOINT = (
    Parameter("path", "string", "Checkpoint", "Folder or name of the checkpoint to evaluate.", OPEN),
    Parameter("tokenizer_path", "string", "Tokenizer", "Folder or name. Empty: the checkpoint's own.", OPEN),
    Parameter("abbr", "string", "Name", "Name in tables and files. Empty: the last part of the checkpoint.", OPEN),
)
"""The fields of one override, as a form shows them; :data:`OVERRIDE_FIELDS` has their names."""

ALLOWABLE = OVERRIDE_FIELDS + tuple(
    parameter.name
    for parameter in PARAMETERS
    if parameter.is_live and parameter.section in (OPEN, WHERE, RESOURCES, HOW, LIMITS)
    if parameter.name not in (*_ALWAYS, "model_overrides")
)
"""What an allow-list may name: the fields of a checkpoint, and the parameters that leave the evaluation what it is."""


@dataclass(frozen=True)
class Suite:
    """One version of a suite.

    :param allow: names out of :data:`ALLOWABLE` that a member may set.
    :param params: values of parameters that the lead has set.
    :param image: the image of its jobs; None for that of the cluster config.
    :param config: the resolved values.
    :param files: as :class:`LoadedConfig` has them.
    :param environment: as :class:`LoadedConfig` has it.
    :param published: when, as an ISO time; "" for a draft.
    :param by: who published it.
    """

    name: str
    version: str
    title: str
    allow: tuple[str, ...]
    params: dict[str, Any]
    image: str | None
    config: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str | None] = field(default_factory=dict)
    published: str = ""
    by: str = ""

    def __str__(self) -> str:
        """``name@version``."""
        return f"{self.name}@{self.version}"

    @property
    def content(self) -> dict[str, Any]:
        """What makes this version differ from another."""
        history = ("version", "published", "by")
        return {key: value for key, value in asdict(self).items() if key not in history}

    def fields(self) -> tuple[Parameter, ...]:
        """The parameters that a form shows, in the order of the one table."""
        shown = {parameter.name: parameter for parameter in (*PARAMETERS, *CHECKPOINT)}
        return tuple(shown[name] for name in dict.fromkeys((*OVERRIDE_FIELDS, *BY_NAME)) if name in self.allow)

    def loaded(self) -> LoadedConfig:
        """The config as if it had just been read."""
        return LoadedConfig(Path(str(self)), dict(self.config), dict(self.files), dict(self.environment))

    def request(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What is asked for when a member sends ``params``: theirs where they are allowed, else the lead's.

        :param params: as for any run; ``path``, ``tokenizer_path`` and ``abbr`` beside them stand for one override.
        :raises InputError: names everything that the allow-list does not have.
        """
        others = {name: value for name, value in params.items() if name not in OVERRIDE_FIELDS}
        overrides = self._overrides(params)
        said = {parameter.name: params[parameter.name] for parameter in PARAMETERS if _says(parameter, others)}
        closed = [
            f"{name}={value!r}{self._up_to(name)}" for name, value in said.items() if not self._may_say(name, value)
        ]
        closed += sorted({key for override in overrides for key in override if key not in self.allow})
        if closed:
            raise InputError(
                f"suite {self} is open for {', '.join(self.allow) or 'nothing'}; not for {', '.join(closed)}: leave it "
                "out, or ask who keeps the suite"
            )
        lead = self.params | ({"image": self.image} if self.image else {})
        return (
            others
            | {name: value for name, value in lead.items() if name not in said}
            | {
                "config": str(self),
                "model_overrides": overrides,
            }
        )

    def _may_say(self, name: str, value: Any) -> bool:
        if name in _LIMITS and self._is_within(name, str(value)):
            return True
        return name in _ALWAYS or name in self.allow or name == "model_overrides" or self.params.get(name) == value

    def _is_within(self, name: str, hours: str) -> bool:
        """Whether a limit is no more than what the lead has set; what is no number is refused with the request."""
        most = seconds(self.params.get(name))
        if most is None or not re.fullmatch(HOURS, hours):
            return True
        asked = seconds(hours)
        return asked is not None and asked <= most

    def _up_to(self, name: str) -> str:
        return f" (at most {self.params[name]})" if name in _LIMITS else ""

    def _overrides(self, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        flat = {name: params[name] for name in OVERRIDE_FIELDS if params.get(name)}
        listed = [dict(override) for override in params.get("model_overrides") or ()]
        if flat and listed:
            raise InputError(f"{', '.join(flat)} and model_overrides both name checkpoints; give one of them")
        return [flat] if flat else listed


def _says(parameter: Parameter, params: Mapping[str, Any]) -> bool:
    return parameter.is_live and is_said(parameter, params)


def names_suite(config: Any) -> bool:
    """Whether a config is named as ``SUITE@VERSION``."""
    return isinstance(config, str) and bool(_NAME.fullmatch(config.strip()))


def split_name(named: str) -> tuple[str, str]:
    """Name and version of ``SUITE@VERSION``.

    :raises ConfigError: it is none.
    """
    match = _NAME.fullmatch(named.strip())
    if not match:
        raise ConfigError(f"{named!r} is no SUITE@VERSION; write for instance nightly@3")
    return match["name"], match["version"]


def versions(name: str) -> dict[str, Path]:
    """The published versions of a suite and their files, oldest first."""
    found = {version: file for file, known, version in _published() if known == name}
    return dict(sorted(found.items(), key=lambda item: _order(item[0])))


def published_suites() -> list[str]:
    """Names of the suites that have a published version."""
    return sorted({name for _, name, _ in _published()})


def read_published(named: str) -> Suite:
    """A published version.

    :param named: ``SUITE@VERSION``.
    :raises ConfigError: there is none, or its file was changed since.
    """
    name, version = split_name(named)
    known = versions(name)
    if version not in known:
        there = ", ".join(f"{name}@{other}" for other in known) or "none"
        raise ConfigError(
            f"suite {named} is not published; there are: {there}. {name}@{DRAFT} is its config as it stands now, and "
            f"'opencompass-ops publish {name}' makes a version of it"
        )
    return from_text(known[version].read_text(encoding="utf-8"), str(known[version]))


def to_text(suite: Suite) -> str:
    """The file of a published version."""
    values = {"format": FORMAT, **asdict(suite), "allow": list(suite.allow)}
    return json.dumps(values | {"digest": codec.digest(values)}, indent=1, ensure_ascii=False) + "\n"


def from_text(text: str, place: str) -> Suite:
    """What :func:`to_text` wrote.

    :param place: the file, for messages.
    :raises ConfigError: it is damaged, changed, or of a later release.
    """
    try:
        values = dict(json.loads(text))
        digest, format_ = values.pop("digest"), values.pop("format")
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{place} is no published suite ({error}); restore it or publish a new version") from error
    if format_ != FORMAT:
        raise ConfigError(f"{place} has format {format_}, and this release reads {FORMAT}; update opencompass-ops")
    if codec.digest({"format": format_, **values}) != digest:
        raise ConfigError(f"{place} was changed after it was published; restore it or publish a new version")
    return Suite(**values | {"allow": tuple(values["allow"])})


def _published() -> Iterator[tuple[Path, str, str]]:
    """File, name and version; the same version in a later folder does not count."""
    seen = set()
    for folder in config_folders():
        for file in sorted((folder / FOLDER).glob("*@*.json")):
            match = _NAME.fullmatch(file.stem)
            if match and match.group() not in seen:
                seen.add(match.group())
                yield file, match["name"], match["version"]


def _order(version: str) -> list[tuple[bool, int, str]]:
    """Numbers count as numbers, and before words."""
    pieces = re.findall(r"\d+|[^\d.]+", version)
    return [(not piece.isdigit(), int(piece) if piece.isdigit() else 0, piece) for piece in pieces]
