"""What work takes in the generated part of the simulation, with a fixed seed.

A row of a dataset takes OpenCompass's row cost times the model's size, times what nobody can know beforehand, all
lognormal: how far the dataset is from its row cost (sigma 0.8: answers of 20 or of 600 tokens), how it gets on with
the kind of GPU and with the size of model (0.15 each), how the checkpoint answers this time (0.05 per dataset), and
what the node makes of a job (0.02). Rows of a dataset become up to 10 % dearer from the first to the last, or cheaper.
Loads take 15 s and the weights at 1.5 GB/s, give or take 10 %.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from typing import Any

ROW_COSTS = {"ppl": 4, "gen": 20, "gsm8k": 200}
SPEED = {"A100": 1.0, "H200": 0.4}
_SECONDS_PER_UNIT = 0.0006
"""Of one unit of row cost and one GB of weights on the A100; the prior of the planner says 0.001."""


@dataclass(frozen=True)
class Model:
    """One checkpoint.

    :param name: of the series and the checkpoint.
    :param gigabytes: of its weights.
    """

    name: str
    series: str
    gigabytes: float
    device: str = "A100"

    @property
    def weights_bytes(self) -> int:
        return int(self.gigabytes * 1e9)


@dataclass(frozen=True)
class Dataset:
    """A benchmark: rows, and what OpenCompass's partitioners reckon with."""

    config: dict[str, Any]
    rows: int
    drift: float

    @property
    def abbr(self) -> str:
        return str(self.config["abbr"])


def datasets(seed: int, count: int) -> list[Dataset]:
    """Sizes like those of a usual leaderboard: many small ones, some of thousands of rows."""
    rng = random.Random(f"datasets {seed}")
    return list(_datasets(rng, count))


def _datasets(rng: random.Random, count: int) -> Iterator[Dataset]:
    labels = {str(label): "{q}" for label in range(ROW_COSTS["ppl"])}
    for number in range(count):
        kind = rng.choices(["ppl", "gen", "gsm8k"], [6, 3, 1])[0]
        template = labels if kind == "ppl" else "{q}"
        name = f"{'gsm8k' if kind == 'gsm8k' else kind}-{number}"
        rows = int(min(15_000, max(60, rng.lognormvariate(6.0, 1.1))))
        config = {"abbr": name, "reader_cfg": {}, "infer_cfg": {"prompt_template": {"template": template}}}
        yield Dataset(config, rows, rng.uniform(-0.1, 0.1))


class Truth:
    """What everything takes in one series of runs.

    :param seed: of the world: equal seeds, equal costs.
    :param run: number of the run: the checkpoints of another one answer a little differently.
    """

    def __init__(self, seed: int, run: int) -> None:
        self._seed, self._run = seed, run

    def row_seconds(self, model: Model, dataset: Dataset) -> float:
        """Of one row, on average over the dataset, before what a node makes of it."""
        name = dataset.abbr
        kind = ROW_COSTS[name.partition("-")[0]]
        unknown = self._factor(0.8, name) * self._factor(0.15, name, model.device)
        unknown *= self._factor(0.15, name, model.series) * self._factor(0.05, name, model.name, self._run)
        size: float = (0.5 + model.gigabytes) ** 0.9
        return _SECONDS_PER_UNIT * kind * size * SPEED[model.device] * unknown

    def part_seconds(self, model: Model, dataset: Dataset, start: int, stop: int) -> float:
        """Of rows ``start`` to ``stop`` (exclusive)."""
        middle = (start + stop) / dataset.rows - 1  # -1 .. 1
        return self.row_seconds(model, dataset) * (stop - start) * (1 + dataset.drift * middle)

    def load_seconds(self, model: Model) -> float:
        """Of one load."""
        return (15 + model.gigabytes / 1.5) * self._factor(0.1, "load", model.series)

    def node(self, job: object) -> float:
        """What the node makes of a job's time."""
        return self._factor(0.02, "node", self._run, job)

    def _factor(self, sigma: float, *of: object) -> float:
        return exp(random.Random(f"{self._seed} {of}").gauss(0, sigma))
