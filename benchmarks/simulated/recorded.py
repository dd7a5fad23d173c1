"""Costs that were measured: ``recorded.json``, written by :mod:`benchmarks.recording`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from benchmarks.simulated.truth import Dataset, Model

FILE = Path(__file__).with_name("recorded.json")
QUARTERS = 4
"""In which each dataset was answered."""

Recorded = dict[str, list[float]]
"""By dataset, seconds of a row in each quarter of it."""


@dataclass(frozen=True)
class RecordedDataset:
    """:param rows: of the whole dataset.
    :param labels: ranked for each row, 0 where the model writes its answer.
    """

    abbr: str
    rows: int
    labels: int


@dataclass(frozen=True)
class RecordedModel:
    """One checkpoint.

    :param series: checkpoints of one series have one shape.
    :param load: seconds of its job besides answering.
    """

    name: str
    series: str
    weights_bytes: int
    load: float
    seconds: Recorded


@dataclass(frozen=True)
class Recording:
    """:param made: day of the recording.
    :param processor: what it was made on, and what its seconds are.
    """

    made: str
    processor: str
    datasets: tuple[RecordedDataset, ...]
    models: tuple[RecordedModel, ...]


def read(file: Path = FILE) -> Recording:
    """The recording that is kept with the sources."""
    body = json.loads(file.read_text())
    return Recording(
        made=body["made"],
        processor=body["processor"],
        datasets=tuple(RecordedDataset(**entry) for entry in body["datasets"]),
        models=tuple(RecordedModel(**entry) for entry in body["models"]),
    )


@dataclass(frozen=True)
class RecordedTruth:
    """What everything took of checkpoints and datasets that were recorded; quarters of a dataset keep their cost."""

    recording: Recording

    @cached_property
    def _models(self) -> dict[str, RecordedModel]:
        return {model.name: model for model in self.recording.models}

    def row_seconds(self, model: Model, dataset: Dataset) -> float:
        """Of one row, on average over the dataset."""
        quarters = self._models[model.name].seconds[dataset.abbr]
        return sum(quarters) / len(quarters)

    def part_seconds(self, model: Model, dataset: Dataset, start: int, stop: int) -> float:
        """Of rows ``start`` to ``stop`` (exclusive)."""
        quarters = self._models[model.name].seconds[dataset.abbr]
        bounds = [dataset.rows * number / len(quarters) for number in range(len(quarters) + 1)]
        rows = [max(0.0, min(stop, end) - max(start, first)) for first, end in pairwise(bounds)]
        return sum(count * seconds for count, seconds in zip(rows, quarters, strict=True))

    def load_seconds(self, model: Model) -> float:
        """Of one load."""
        return self._models[model.name].load

    def node(self, job: object) -> float:
        """All jobs ran on one node."""
        return 1.0


def datasets(recording: Recording) -> list[Dataset]:
    """The datasets as planners see them."""
    return [Dataset(_config(dataset), dataset.rows, 0.0) for dataset in recording.datasets]


def _config(dataset: RecordedDataset) -> dict[str, object]:
    template = {str(label): "{q}" for label in range(dataset.labels)} if dataset.labels else "{q}"
    return {"abbr": dataset.abbr, "reader_cfg": {}, "infer_cfg": {"prompt_template": {"template": template}}}


def checkpoints(recording: Recording, series: str) -> list[Model]:
    """The checkpoints of a series, in their order."""
    return [
        Model(model.name, series, model.weights_bytes / 1e9, "cpu")
        for model in recording.models
        if model.series == series
    ]
