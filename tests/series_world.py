"""A series, its folder, its ledger, and an Airflow of which only the states of runs exist."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from checkpoint_folders import write_checkpoint
from inference.checkpoints import scan
from opencompass_ops.clusters.shell import Answer
from opencompass_ops.contract import codec
from opencompass_ops.contract.checkpoints import ScanRequest
from opencompass_ops.series.config import Series
from opencompass_ops.series.discovery import Asked, discover
from opencompass_ops.series.ledger import Evaluation, Ledger, Sighting
from opencompass_ops.series.places import open_place


@dataclass
class SeriesWorld:
    """What one test moves.

    :param states: DAG run id -> state.
    :param stops: DAG run id -> the grant that ended it.
    :param asks: suite -> what it asks.
    :param said: lines of the log.
    """

    folder: Path
    ledger: Ledger
    values: dict[str, Any]
    states: dict[str, str] = field(default_factory=dict)
    stops: dict[str, str] = field(default_factory=dict)
    asks: dict[str, str] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def open(cls, folder: Path, url: str) -> Iterator[SeriesWorld]:
        """A series ``run7`` that looks into a folder without waiting for anything to settle."""
        values = {
            "checkpoints": {"at": str(folder / "ckpt"), "pattern": "step-{step}"},
            "suite": "nightly@1",
            "ready": {"settle_minutes": 0},
        }
        (folder / "ckpt").mkdir()
        with Ledger.open(url) as ledger:
            yield cls(folder, ledger, values)

    @property
    def series(self) -> Series:
        """As its file would say now."""
        return Series.from_values("run7", self.values)

    def limits(self, **limits: Any) -> None:
        """Set limits of the series."""
        self.values["limits"] = limits

    def write(self, step: int, seed: int | None = None, **how: Any) -> Path:
        """A checkpoint, whole unless said otherwise."""
        return write_checkpoint(self.folder / "ckpt" / f"step-{step}", step if seed is None else seed, **how)

    def fingerprint(self, suite: str, params: Any) -> str:
        """In place of reading the suite's config."""
        return codec.digest([self.asks.get(suite, suite), dict(params)])

    def tick(self, end: str | None = "success", user: str = "", **asked: Any) -> list[str]:
        """Discover once, and let what begins come to an end; returns what began as ``name#attempt``.

        :param end: state of the runs of what began; None for no run at all.
        :param user: who has it look.
        """
        self.said.clear()
        begun = discover(
            self.series,
            open_place(self.series, no_keys),
            self.ledger,
            Asked.from_params(asked),
            self.states.get,
            self.said.append,
            lambda row: self.stops.get(row.run_id, ""),
            user,
        )
        if end is not None:
            self.states |= {row.run_id: end for row in begun}
        return [f"{row.name}#{row.attempts}" for row in begun]

    def sighting(self, step: int) -> Sighting:
        """What the last look says of a checkpoint."""
        return self.ledger.sightings("run7")[f"step-{step}"]

    def evaluations(self) -> list[Evaluation]:
        """Every row of the ledger."""
        return self.ledger.evaluations("run7")


async def in_process(request: ScanRequest, cluster: Any) -> Answer:
    """In place of a process of its own, which takes a second to start."""
    text = ScanRequest.from_json(request.to_json())
    return Answer(0, scan(text).to_json().encode(), b"")


async def no_keys(connection_id: str) -> Any:
    """For a place that needs none."""
    raise AssertionError(connection_id)
