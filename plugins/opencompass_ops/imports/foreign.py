"""One run of OpenCompass's as its files tell it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opencompass_ops.configs.load import LoadedConfig
from opencompass_ops.configs.names import dataset_abbr, mode, model_abbr, prompt_hash
from opencompass_ops.contract import codec
from opencompass_ops.contract.plan import PlannedDataset, PlannedModel
from opencompass_ops.errors import ConfigError
from opencompass_ops.imports.details import count_of, samples_of
from opencompass_ops.imports.folders import RESULTS, RunFolder, Unread, files_below, is_text
from opencompass_ops.results import metrics
from opencompass_ops.results.findings import Sample

_OF_JUDGES = re.compile(r"_replica\d+\.json$")
"""What a judge was asked and answered lies beside the result that it led to."""

_OURS = (".manifest.json", ".samples.jsonl")
_PART = re.compile(r"_\d+$")


@dataclass(frozen=True)
class Said:
    """What the configs say that a run was launched with, the newest last.

    :param models: by abbr; a path is "" when the config says none.
    :param datasets: by abbr: version and mode.
    """

    config: str = ""
    models: Mapping[str, PlannedModel] = field(default_factory=dict)
    datasets: Mapping[str, PlannedDataset] = field(default_factory=dict)
    summarizer: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ResultFile:
    """A file below ``results``, and what it is named to be the result of."""

    path: Path
    model: str
    dataset: str


@dataclass(frozen=True)
class ForeignResult:
    """:param metrics: finite or not, without details.
    :param samples: empty when nothing tells which answers were right.
    :param rows: how many were scored; 0 when nothing tells.
    :param sha256: of the file.
    """

    metrics: dict[str, float]
    samples: tuple[Sample, ...]
    rows: int
    sha256: str


def dumps_of(run: RunFolder) -> list[Path]:
    """The configs of a run's launches, oldest first: their names begin with the moment."""
    return sorted((run.path / "configs").glob("*.py"))


def said_by(dumps: Sequence[LoadedConfig]) -> tuple[Said, list[Unread]]:
    """What readable dumps say, and those that are not.

    :param dumps: of one run, oldest first.
    """
    models: dict[str, PlannedModel] = {}
    datasets: dict[str, PlannedDataset] = {}
    summarizer, config, unread = None, "", []
    for dump in dumps:
        if dump.error:
            unread.append(Unread(dump.path, _shortened(dump)))
            continue
        models |= dict(_models(dump.values))
        datasets |= dict(_datasets(dump.values))
        summarizer = dump.values.get("summarizer") or summarizer
        config = str(dump.path)
    return Said(config, models, datasets, summarizer if isinstance(summarizer, dict) else None), unread


def _shortened(dump: LoadedConfig) -> str:
    error = dump.error.removeprefix(f"{dump.path}: ")
    return f"{error} (scores of this launch come without version)"


def result_files(run: RunFolder, said: Said) -> tuple[list[ResultFile], list[Unread]]:
    """The results of a run, and what else lies among them.

    Names hold no separators but where an abbr has them; then the config tells where the model's ends.
    """
    found, unread = [], []
    for path in files_below(run.path / RESULTS):
        names = path.relative_to(run.path / RESULTS).parts
        if path.name.endswith(_OURS) or _OF_JUDGES.search(path.name):
            continue
        if path.suffix != ".json" or len(names) < 2:
            unread.append(Unread(path, "is no results/MODEL/DATASET.json"))
        elif not is_text(path):
            unread.append(Unread(Path(ascii(str(path))), "has a name that is no text; rename it"))
        else:
            found.append(ResultFile(path, *_named(names, said)))
    return found, unread


def read_result(run: RunFolder, file: ResultFile) -> ForeignResult | Unread:
    """A result file, or why it is not one."""
    try:
        content = file.path.read_bytes()
        body = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        return Unread(file.path, f"cannot be read ({error}); it is damaged or cut short")
    if not isinstance(body, dict):
        return Unread(file.path, f"holds a {type(body).__name__}, where a result is a dict of metrics")
    details = body.pop("details", None)
    if "error" in body:
        return Unread(file.path, f"the evaluator failed: {body['error']!s:.200}")
    try:
        numbers = {name: float(value) for name, value in metrics.pick(body).items()}
    except OverflowError:
        return Unread(file.path, "holds a number beyond all measure")
    if not numbers:
        return Unread(file.path, "holds no number that is a metric")
    samples = samples_of(details)
    rows = len(samples) or count_of(details) or _predicted(run, file)
    return ForeignResult(numbers, samples, rows, codec.digest_bytes(content))


def _models(values: Mapping[str, Any]) -> Iterator[tuple[str, PlannedModel]]:
    for model in _dicts(values.get("models")):
        try:
            abbr = model_abbr(model)
            yield abbr, PlannedModel(abbr, str(model.get("path") or ""), "", str(model.get("summarizer_abbr") or abbr))
        except (ConfigError, KeyError):
            continue  # nothing was ever written under a name of it


def _datasets(values: Mapping[str, Any]) -> Iterator[tuple[str, PlannedDataset]]:
    for dataset in _dicts(values.get("datasets")):
        try:
            abbr = dataset_abbr(dataset)
            version = prompt_hash(dataset)[:6] if "infer_cfg" in dataset else ""
            yield abbr, PlannedDataset(abbr, version, mode(dataset), 0)
        except (ConfigError, KeyError, TypeError, AttributeError):
            continue


def _dicts(entries: Any) -> list[dict[str, Any]]:
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


def _named(names: tuple[str, ...], said: Said) -> tuple[str, str]:
    """Model and dataset of a path below ``results``."""
    splits = [("/".join(names[:at]), "/".join(names[at:]).removesuffix(".json")) for at in range(1, len(names))]
    known = (split for split in splits if split[0] in said.models and split[1] in said.datasets)
    return next(known, next((split for split in splits if split[0] in said.models), splits[0]))


def _predicted(run: RunFolder, file: ResultFile) -> int:
    """Rows in the prediction file or, where there is none, in its parts; 0 when they cannot be read."""
    folder, _, stem = (run.path / "predictions" / file.model / file.dataset).as_posix().rpartition("/")
    whole = Path(folder, f"{stem}.json")
    parts = [part for part in Path(folder).glob("*.json") if _PART.sub("", part.stem) == stem and part != whole]
    return sum(map(_entries, [whole] if whole.is_file() else parts))


def _entries(file: Path) -> int:
    try:
        body = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return 0
    return len(body) if isinstance(body, dict | list) else 0
