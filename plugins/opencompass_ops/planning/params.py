"""The one table of parameters: it makes the form, the REST schema and the command line's flags.

DAG files import this module when they are parsed, so it is standard library only. Names, defaults and flags are
those of OpenCompass's ``run.py`` where it has them (https://opencompass.readthedocs.io, "Evaluation Arguments").
"""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MODES = ("all", "infer", "eval", "viz")
LATEST = "latest"
OVERRIDE_FIELDS = ("path", "tokenizer_path", "abbr")

# Airflow's form opens with the parameters of no section; the sections below them are closed.
OPEN, WHERE, RESOURCES, HOW, CHANGES = "", "Where", "Cluster resources", "How", "Changes to the config"

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"


@dataclass(frozen=True)
class Parameter:
    """One thing that a request can say.

    :param section: heading that the form folds it under; "" for what it shows at once.
    :param kind: JSON type: ``string``, ``integer``, ``boolean`` or ``array``.
    :param default: value when nothing is said; None with ``required`` False means "may be null".
    :param flags: command line flags; empty for the positional argument.
    :param bare: value of a flag that is given without one.
    :param shorthands: further flags, each of which stands for a value.
    :param pattern: regular expression that a string, or each string of an array, matches as a whole.
    :param expected: what the pattern allows, in words.
    :param metavar: what the help of the command line shows for a value of an array.
    :param fields: for an array of objects: the names of their fields; the first one is required.
    """

    name: str
    kind: str
    title: str
    description: str
    section: str
    default: Any = None
    required: bool = False
    flags: tuple[str, ...] = ()
    bare: str | None = None
    shorthands: tuple[tuple[str, str], ...] = ()
    choices: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    pattern: str | None = None
    expected: str = "a plain name of letters, digits, '.', '_' and '-', not a path"
    metavar: str | None = None
    fields: tuple[str, ...] = ()

    @property
    def nullable(self) -> bool:
        """Whether null stands for the default; Airflow's form sends null for a list that was emptied."""
        return not self.required and (self.default is None or self.kind == "array")

    def schema(self, proposals: Sequence[str] = ()) -> dict[str, Any]:
        """JSON schema and form keywords of Airflow 3.3's ``Param``.

        :param proposals: values that the form offers beside free text.
        """
        optional = {
            "enum": [*self.choices, *([None] if self.nullable else [])] if self.choices else None,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "pattern": self.pattern if self.kind == "string" else None,
            "minLength": 1 if self.required else None,
            "examples": sorted(proposals) or None,
            "items": self._items(),
            "section": self.section or None,
        }
        return {
            "type": [self.kind, "null"] if self.nullable else self.kind,
            "title": self.title,
            "description": self.description,
            **{key: value for key, value in optional.items() if value is not None},
        }

    def _items(self) -> dict[str, Any] | None:
        if self.kind != "array":
            return None
        if not self.fields:
            return {"type": "string"}
        properties: dict[str, Any] = {field: {"type": ["string", "null"]} for field in self.fields}
        properties[self.fields[0]] = {"type": "string", "minLength": 1}
        return {
            "type": "object",
            "properties": properties,
            "required": [self.fields[0]],
            "additionalProperties": False,
        }

    def add_argument(self, parser: argparse.ArgumentParser) -> None:
        """Add this parameter's positional argument or flags."""
        group = parser.add_mutually_exclusive_group() if self.shorthands else parser
        self._add_flags(group)
        for flag, value in self.shorthands:
            said = f"Short for {self.flags[-1]} {value}."
            group.add_argument(flag, dest=self.name, action="store_const", const=value, help=said)

    def _add_flags(self, parser: argparse._ActionsContainer) -> None:
        options: dict[str, Any] = {"help": self.description.replace("%", "%%")}
        if not self.flags:
            parser.add_argument(self.name, **options)
            return
        if self.kind == "boolean":
            options["action"] = "store_true"
        elif self.fields:
            options |= {"action": "append", "type": parse_override, "metavar": self.metavar}
        elif self.kind == "array":
            options |= {"action": "extend", "nargs": "+", "metavar": self.metavar}
        else:
            options |= {"default": self.default, "type": int if self.kind == "integer" else str}
            options |= {"choices": self.choices} if self.choices else {}
            options |= {"nargs": "?", "const": self.bare} if self.bare else {}
        parser.add_argument(*self.flags, dest=self.name, **options)


PARAMETERS = (
    Parameter(
        "config",
        "string",
        "Config",
        "OpenCompass config that names models and datasets: a name below include/configs (eval_demo), or a path.",
        OPEN,
        required=True,
    ),
    Parameter(
        "model_overrides",
        "array",
        "Checkpoints",
        'Evaluate these in place of the config\'s one model: [{"path": "/ckpt/step-1000"}, ...]. '
        "Each may also say tokenizer_path and abbr. Empty: the configured models.",
        OPEN,
        default=(),
        flags=("--model-override",),
        fields=OVERRIDE_FIELDS,
        metavar="path=P[,abbr=A]",
    ),
    Parameter(
        "limit",
        "integer",
        "Rows per dataset",
        "Use only the first rows of every dataset, for a first try. Empty: all rows.",
        OPEN,
        flags=("--limit",),
        minimum=1,
    ),
    Parameter(
        "max_num_workers",
        "integer",
        "Jobs at once",
        "At most this many jobs of the run are alive; each dataset is also split into this many parts.",
        OPEN,
        default=1,
        flags=("--max-num-workers",),
        minimum=1,
    ),
    Parameter(
        "mode",
        "string",
        "Mode",
        "all: infer, evaluate, summarize. infer: predictions only. eval: score predictions that exist. "
        "viz: summarize results that exist.",
        OPEN,
        default="all",
        flags=("-m", "--mode"),
        choices=MODES,
    ),
    Parameter(
        "cluster",
        "string",
        "Cluster",
        "Name of a cluster config (include/configs/clusters/NAME.py): where the jobs run.",
        WHERE,
        default="local",
        flags=("--cluster",),
        shorthands=(("--slurm", "slurm"),),
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$",
    ),
    Parameter(
        "work_dir",
        "string",
        "Work dir",
        "Folder that holds one folder per run. Empty: the config's work_dir, else outputs/default.",
        WHERE,
        flags=("-w", "--work-dir"),
    ),
    Parameter(
        "reuse",
        "string",
        "Reuse run",
        "Continue in a folder of the work dir: its name (YYYYmmdd_HHMMSS) or 'latest'. Empty: a new folder.",
        WHERE,
        flags=("-r", "--reuse"),
        bare=LATEST,
        pattern=NAME,
    ),
    Parameter(
        "partition",
        "string",
        "Partition",
        "Slurm partition of all jobs of the run. Empty: the model's run_cfg, the cluster config, or else Slurm's own.",
        RESOURCES,
        flags=("-p", "--partition"),
    ),
    Parameter(
        "quotatype",
        "string",
        "Quota type",
        "auto, reserved or spot, where the site's Slurm has --quotatype. Empty: as for the partition.",
        RESOURCES,
        flags=("-q", "--quotatype"),
        choices=("auto", "reserved", "spot"),
    ),
    Parameter(
        "qos",
        "string",
        "QOS",
        "Slurm quality of service.",
        RESOURCES,
        flags=("--qos",),
    ),
    Parameter(
        "account",
        "string",
        "Account",
        "Slurm account that pays.",
        RESOURCES,
        flags=("--account",),
    ),
    Parameter(
        "reservation",
        "string",
        "Reservation",
        "Slurm reservation to use.",
        RESOURCES,
        flags=("--reservation",),
    ),
    Parameter(
        "minutes",
        "integer",
        "Minutes per job",
        "Time limit of a job; the cluster's own limit holds where it is shorter. A job that meets it is continued by "
        "the next one.",
        RESOURCES,
        flags=("--minutes",),
        minimum=1,
    ),
    Parameter(
        "mem",
        "string",
        "Memory per job",
        "Host memory, such as 64G.",
        RESOURCES,
        flags=("--mem",),
        pattern=r"^[0-9]+[KMGT]?$",
        expected="a size like 64G",
    ),
    Parameter(
        "exclude",
        "string",
        "Nodes to avoid",
        "Slurm nodes that no job shall run on: n01,n[07-09].",
        RESOURCES,
        flags=("--exclude",),
    ),
    Parameter(
        "extra_args",
        "array",
        "Further sbatch options",
        "One a line, from an allowed list: --exclusive, --tmp=10G, --licenses=... (on the command line: "
        "--extra-args=--exclusive).",
        RESOURCES,
        default=(),
        flags=("--extra-args",),
        pattern=r"^--[a-z].*$",
        expected="--option or --option=value",
        metavar="--OPTION[=VALUE]",
    ),
    Parameter(
        "dry_run",
        "boolean",
        "Dry run",
        "Plan and show the plan; start nothing.",
        HOW,
        default=False,
        flags=("--dry-run",),
    ),
    Parameter(
        "debug",
        "boolean",
        "Debug",
        "One job at a time with full output.",
        HOW,
        default=False,
        flags=("--debug",),
    ),
    Parameter(
        "retry",
        "integer",
        "Retries",
        "How often a failed job is tried again, after its first try.",
        HOW,
        default=2,
        flags=("--retry",),
        minimum=0,
        maximum=10,
    ),
    Parameter(
        "max_partition_size",
        "integer",
        "Partition size",
        "Split by size instead: no job above this cost (rows times 20 for generation, times the number of labels for "
        "ranking). Empty: split by 'Jobs at once'.",
        HOW,
        flags=("--max-partition-size",),
        minimum=1,
    ),
    Parameter(
        "cfg_options",
        "array",
        "Config options",
        "Settings merged into the config, one key=value a line, with dots for nesting (models.0.batch_size=8).",
        CHANGES,
        default=(),
        flags=("--cfg-options",),
        pattern=r"^\s*[^\s=]+\s*=[^\0]*$",
        expected="key=value; write for instance datasets.0.path=./data/gsm8k",
        metavar="KEY=VALUE",
    ),
)

OF_CLUSTER = tuple(parameter for parameter in PARAMETERS if parameter.section == RESOURCES)
"""What is asked of the cluster, under the names of ``clusters.resources``."""

BY_NAME: Mapping[str, Parameter] = {parameter.name: parameter for parameter in PARAMETERS}


def form(proposals: Mapping[str, Sequence[str]] | None = None) -> dict[str, dict[str, Any]]:
    """For each parameter the keyword arguments of ``airflow.sdk.Param``; a required one has no ``default``.

    :param proposals: for a parameter's name, the values that the form offers (config files, clusters).
    """
    offered = proposals or {}
    return {
        parameter.name: {**_default(parameter), **parameter.schema(offered.get(parameter.name, ()))}
        for parameter in PARAMETERS
    }


def _default(parameter: Parameter) -> dict[str, Any]:
    if parameter.required:
        return {}
    return {"default": list(parameter.default) if parameter.kind == "array" else parameter.default}


def add_arguments(parser: argparse.ArgumentParser, parameters: Sequence[Parameter] = PARAMETERS) -> None:
    """Add parameters to a command line."""
    for parameter in parameters:
        parameter.add_argument(parser)


def from_arguments(namespace: argparse.Namespace, parameters: Sequence[Parameter] = PARAMETERS) -> dict[str, Any]:
    """The params that a parsed command line says, as the form would send them."""
    return {
        parameter.name: [] if value is None and parameter.kind == "array" else value
        for parameter in parameters
        for value in [getattr(namespace, parameter.name)]
    }


def parse_override(text: str) -> dict[str, str]:
    """``path=P,tokenizer_path=T,abbr=A`` as a dict; commas inside a value are kept.

    :raises argparse.ArgumentTypeError: a piece is not ``field=value`` or names a field twice.
    """
    override: dict[str, str] = {}
    for piece in re.split(r",(?=\s*\w+=)", text):
        field, equals, value = piece.strip().partition("=")
        if not equals or field not in OVERRIDE_FIELDS or field in override:
            raise argparse.ArgumentTypeError(f"{text!r}: {piece!r} is not one of path=, tokenizer_path=, abbr= (once)")
        override[field] = value
    return override


def nearest(word: str, names: Sequence[str]) -> str:
    """`` (did you mean 'x'?)`` for the name most like ``word``, else the sorted names."""
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(names))}"
