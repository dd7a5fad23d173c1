"""From a suite's config to a version that no later edit changes."""

from __future__ import annotations

import getpass
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from opencompass_ops.configs.bases import opencompass_configs
from opencompass_ops.configs.custom import with_custom_datasets
from opencompass_ops.configs.findings import findings
from opencompass_ops.configs.library import find_config
from opencompass_ops.configs.load import LoadedConfig, load
from opencompass_ops.configs.resolve import resolve
from opencompass_ops.errors import ConfigError, InputError
from opencompass_ops.instance import absolute
from opencompass_ops.planning.params import OVERRIDE_FIELDS, nearest
from opencompass_ops.planning.request import Request
from opencompass_ops.suites import (
    ALLOWABLE,
    DRAFT,
    FOLDER,
    Suite,
    names_suite,
    read_published,
    split_name,
    to_text,
    versions,
)

KEY = "suite"
"""The key of a config that makes it a suite."""

_PARTS = ("allow", "params", "image", "title")
_KEPT = ("models", "datasets", "summarizer", "work_dir", "infer", "eval", "model_dataset_combinations")
_VERSION = re.compile(r"[A-Za-z0-9][\w.-]*")


def requested(params: Mapping[str, Any]) -> dict[str, Any]:
    """The params of a run; those of a suite checked against its allow-list and completed by what its lead has set.

    :raises InputError: the suite is not open for something, or there is no such suite.
    """
    named = params.get("config")
    return open_suite(str(named)).request(params) if names_suite(named) else dict(params)


def open_suite(named: str) -> Suite:
    """A published version, or the draft.

    :param named: ``SUITE@VERSION``.
    :raises ConfigError: there is none, or it is wrong.
    """
    name, version = split_name(named)
    return draft(name) if version == DRAFT else read_published(named)


def draft(name: str) -> Suite:
    """A suite as its config stands now.

    :raises ConfigError: there is none, or something in it is wrong; the message names every culprit.
    """
    path = find_config(name, kind=FOLDER)
    loaded = with_custom_datasets(load([path])[0], absolute("."))
    wrong = [finding.says for finding in findings(loaded, opencompass_configs()) if finding.is_error]
    if wrong:
        raise ConfigError(f"{path}: " + "; ".join(wrong))
    said = loaded.values.get(KEY)
    if not isinstance(said, dict):
        raise ConfigError(f"{path} has no {KEY}; write {KEY} = dict(allow={list(OVERRIDE_FIELDS)!r})")
    unknown = [key for key in said if key not in _PARTS]
    if unknown:
        raise ConfigError(f"{path}: {KEY} has no {', '.join(unknown)}; it may have {', '.join(_PARTS)}")
    suite = Suite(
        name=path.stem,
        version=DRAFT,
        title=str(said.get("title", "")),
        allow=_allowed(said.get("allow", list(OVERRIDE_FIELDS)), path),
        params=_presets(said.get("params", {}), path),
        image=_image(said.get("image"), path),
        config={key: loaded.values[key] for key in _KEPT if loaded.values.get(key) is not None},
        files=loaded.files,
        environment=loaded.environment,
    )
    _check_models(suite, loaded)
    return suite


def publish(name: str, version: str = "") -> tuple[Suite, Path]:
    """Freeze a suite's resolved config, image and allow-list.

    :param version: a name for it; "" for the next whole number.
    :returns: the version and its file, which lies beside the suite's config.
    :raises ConfigError: the suite is wrong, holds a secret, says what its newest version says, or has this version.
    """
    suite = draft(name)
    secrets = [finding.says for finding in findings(suite.loaded(), None) if "secret" in finding.says]
    if secrets:
        raise ConfigError(f"suite {name}: {'; '.join(secrets)}; a published version is read by many")
    known = versions(suite.name)
    if not version:
        newest = read_published(f"{suite.name}@{list(known)[-1]}") if known else None
        if newest and newest.content == suite.content:
            raise ConfigError(
                f"{newest} says already what the config of {suite.name} says; there is nothing to publish"
            )
        version = str(max((int(other) for other in known if other.isdigit()), default=0) + 1)
    elif version == DRAFT or not _VERSION.fullmatch(version):
        raise ConfigError(
            f"version {version!r} cannot be a name; write letters, digits, '.', '_' and '-', not {DRAFT!r}"
        )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    suite = replace(suite, version=version, published=now, by=getpass.getuser())
    file = find_config(name, kind=FOLDER).with_name(f"{suite}.json")
    _write_once(file, to_text(suite))
    return suite, file


def _write_once(file: Path, text: str) -> None:
    """Write a file that is not there yet, whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent, encoding="utf-8", suffix=".tmp") as scratch:
        scratch.write(text)
        scratch.flush()
        Path(scratch.name).chmod(0o444)
        try:
            os.link(scratch.name, file)
        except FileExistsError as error:
            raise ConfigError(
                f"{file.stem} is published already and stays as it is; publish without --version for the next one"
            ) from error


def _allowed(names: Any, path: Path) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{path}: {KEY}.allow is {names!r:.80}; write a list of names")
    unknown = [name for name in names if name not in ALLOWABLE]
    if unknown:
        raise ConfigError(f"{path}: {KEY}.allow names {unknown[0]!r}; {nearest(unknown[0], ALLOWABLE)}")
    if "path" not in names and set(names) & set(OVERRIDE_FIELDS):
        raise ConfigError(f"{path}: {KEY}.allow names fields of a checkpoint without its path; add 'path'")
    return tuple(name for name in ALLOWABLE if name in names)


def _presets(params: Any, path: Path) -> dict[str, Any]:
    names = [name for name in ALLOWABLE if name not in OVERRIDE_FIELDS and name != "image"]
    if not isinstance(params, dict):
        raise ConfigError(f"{path}: {KEY}.params is {params!r:.80}; write dict(cluster='slurm', ...)")
    for name in params:
        if name not in names:
            raise ConfigError(f"{path}: {KEY}.params sets {name!r}; {nearest(name, names)}")
    try:
        Request.from_params({"config": "any", **params})
    except InputError as error:
        raise ConfigError(f"{path}: {KEY}.params: {error}") from error
    return dict(params)


def _image(image: Any, path: Path) -> str | None:
    if image is not None and (not isinstance(image, str) or not image.strip()):
        raise ConfigError(f"{path}: {KEY}.image is {image!r:.80}; write an image's name, best with its @sha256: digest")
    return image


def _check_models(suite: Suite, loaded: LoadedConfig) -> None:
    models = resolve(loaded).models
    if "path" in suite.allow and len(models) != 1:
        raise ConfigError(
            f"{loaded.path}: members may set path, so there must be one model, but there are "
            f"{', '.join(model['abbr'] for model in models)}; leave one, or set {KEY}.allow without path"
        )
