"""The commands that look at configs: ``config``, ``prompt-hash`` and ``lint``."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from opencompass_ops.configs.findings import dataset_lists, listed_datasets
from opencompass_ops.configs.library import find_config
from opencompass_ops.configs.load import LoadedConfig, load
from opencompass_ops.configs.masking import mask
from opencompass_ops.configs.names import dataset_abbr, file_hashes, prompt_hash
from opencompass_ops.errors import ConfigError
from opencompass_ops.planning.params import BY_NAME, add_arguments, from_arguments

_OF_CONFIG = tuple(
    BY_NAME[name] for name in ("models", "datasets", "summarizer", "config_dir", "model_overrides", "cfg_options")
)
_OF_LINT = tuple(BY_NAME[name] for name in ("cluster", "config_dir", "cfg_options"))
_NOT_HASHED = "------"
_NAMED = re.compile(r"_([0-9a-f]{6})$")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the three commands; each sets ``command``, a function from the parsed arguments to the exit code."""
    config = commands.add_parser("config", help="show what a config says once all its bases are read")
    config.add_argument(
        "config", nargs="?", default="", metavar="FILE", help="name or path; or --models and --datasets"
    )
    config.add_argument("--json", action="store_true", help="as JSON instead of a config that can be run again")
    add_arguments(config, _OF_CONFIG)
    config.set_defaults(command=_config)
    hashes = commands.add_parser("prompt-hash", help="six-digit prompt hash, abbr and file of every dataset")
    hashes.add_argument("files", nargs="+", metavar="FILE", help="dataset configs or evaluations, by path or name")
    hashes.add_argument("--check", action="store_true", help="fail when a file's name ends with another hash")
    hashes.set_defaults(command=_prompt_hash)
    lint = commands.add_parser("lint", help="say everything about configs that would fail later; starts nothing")
    lint.add_argument("files", nargs="+", metavar="FILE", help="configs, by path or name")
    lint.add_argument("--no-files", action="store_true", help="do not look at data and weights")
    lint.add_argument("--json", action="store_true", help="the findings as JSON")
    add_arguments(lint, _OF_LINT)
    lint.set_defaults(command=_lint)


def _config(arguments: argparse.Namespace) -> int:
    from opencompass_ops.instance import absolute
    from opencompass_ops.planning.request import Request
    from opencompass_ops.reading import read_config

    params = {"config": arguments.config, **from_arguments(arguments, _OF_CONFIG)}
    part = _part(arguments)
    if part is not None:
        print(_text(mask(part), as_json=arguments.json))
        return 0
    config = read_config(Request.from_params(params), absolute("."))
    values = {
        "models": config.models,
        "datasets": config.datasets,
        "summarizer": config.summarizer,
        "work_dir": config.work_dir,
        "infer": config.infer,
        "eval": config.eval,
        "model_dataset_combinations": config.model_dataset_combinations or None,
    }
    for warning in config.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(_text(mask({key: value for key, value in values.items() if value is not None}), as_json=arguments.json))
    return 0


def _part(arguments: argparse.Namespace) -> dict[str, Any] | None:
    """What a file of models, datasets or the like says; None for an evaluation or suite, which is resolved.

    :raises ConfigError: it is not found or cannot be read.
    """
    from opencompass_ops.instance import absolute
    from opencompass_ops.publishing import KEY
    from opencompass_ops.suites import names_suite

    if not arguments.config or names_suite(arguments.config):
        return None
    folders = [absolute(arguments.config_dir)] if arguments.config_dir else []
    loaded = load(_found([arguments.config]), cfg_options=arguments.cfg_options or (), config_dirs=folders)[0]
    if loaded.error:
        raise ConfigError(loaded.error)
    return None if {"models", "datasets"} <= set(loaded.values) or KEY in loaded.values else loaded.values


def _text(values: dict[str, Any], *, as_json: bool) -> str:
    if as_json:
        return json.dumps(values, indent=2, ensure_ascii=False)
    from pprint import pformat

    return "\n".join(f"{key} = {pformat(value, width=110, sort_dicts=False)}" for key, value in values.items())


def _prompt_hash(arguments: argparse.Namespace) -> int:
    code = 0
    for loaded in load(_found(arguments.files)):
        try:
            for line in _hash_lines(loaded):
                print(line)
            if arguments.check:
                _check_name(loaded)
        except ConfigError as error:
            print(f"error: {error}", file=sys.stderr)
            code = 1
    return code


def _hash_lines(loaded: LoadedConfig) -> Iterator[str]:
    """One line per dataset; dashes for one that is not asked anything.

    :raises ConfigError: the file cannot be read, or describes no dataset.
    """
    if loaded.error:
        raise ConfigError(loaded.error)
    datasets = listed_datasets(loaded.values)
    if not datasets:
        raise ConfigError(f"{loaded.path}: describes no dataset; its keys are: {', '.join(loaded.values) or 'none'}")
    for dataset in datasets:
        hashed = prompt_hash(dataset)[:6] if "infer_cfg" in dataset else _NOT_HASHED
        yield f"{hashed} {dataset_abbr(dataset)} {loaded.path}"


def _check_name(loaded: LoadedConfig) -> None:
    """Compare the hash at the end of the file's name with those that its lists of datasets may give it."""
    named = _NAMED.search(loaded.path.stem)
    lists = ([item for item in value if "infer_cfg" in item] for value in dataset_lists(loaded.values).values())
    hashes = [known[:6] for datasets in lists for known in file_hashes(datasets)]
    if named and hashes and named[1] not in hashes:
        right = loaded.path.with_stem(f"{loaded.path.stem[:-6]}{hashes[0]}").name
        raise ConfigError(f"{loaded.path}: its prompts have the hash {hashes[0]}; call it {right}")


def _lint(arguments: argparse.Namespace) -> int:
    from opencompass_ops.lint.looking import lint
    from opencompass_ops.results.store import default_url

    params = from_arguments(arguments, _OF_LINT)
    looked = lint(_found(arguments.files), params, database_url=default_url(), look_at_files=not arguments.no_files)
    if arguments.json:
        print(json.dumps([item.to_values() for item in looked], indent=2, ensure_ascii=False))
    else:
        print("\n".join(map(str, looked)))
    return 0 if all(item.ok for item in looked) else 1


def _found(names: Sequence[str]) -> list[Path]:
    """Files by path, or by the name of an evaluation or dataset.

    :raises ConfigError: a name is unknown or ambiguous.
    """
    return [Path(name) if name.endswith(".py") and Path(name).is_file() else _by_name(name) for name in names]


def _by_name(name: str) -> Path:
    """An evaluation or suite of this name, else the part or cluster config that has it."""
    problems = []
    for kind in ("", "suites", "datasets", "models", "summarizers", "clusters"):
        try:
            return find_config(name, kind=kind)
        except ConfigError as error:
            problems.append(error)
    raise next((problem for problem in problems if "is ambiguous" in str(problem)), problems[0])
