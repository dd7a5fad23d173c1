"""What the database holds, as plain values; importable without SQLAlchemy."""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "group:"
"""Begins the evaluation fingerprint of a summary group's score."""

IMPORTED = "opencompass"
"""Origin of scores that were read from folders that OpenCompass wrote."""


@dataclass(frozen=True)
class KnownPrediction:
    """A prediction file that answers rows ``start..stop-1`` of ``total`` of its pair.

    :param fingerprint: of the part; the caller still checks the file against its manifest.
    :param path: absolute path of the prediction file.
    """

    start: int
    stop: int
    total: int
    fingerprint: str
    path: str


@dataclass(frozen=True)
class RunRow:
    """One run directory.

    :param run_dir: absolute; identifies the run.
    :param state: ``complete`` when every pair has what the run was asked for, else ``partial``.
    :param pairs: planned pairs of model x dataset.
    :param scored: how many of them have a score.
    :param coverage: the line that people read.
    :param created_at: ISO 8601, UTC.
    """

    run_dir: str
    stamp: str
    config: str
    config_fingerprint: str
    mode: str
    state: str
    pairs: int
    scored: int
    coverage: str
    created_at: str


@dataclass(frozen=True)
class PredictionRow:
    """One prediction file of a run; see :class:`opencompass_ops.contract.records.Manifest`."""

    path: str
    run_dir: str
    model: str
    dataset: str
    fingerprint: str
    pair_fingerprint: str
    start: int
    stop: int
    total: int
    count: int
    sha256: str
    weights_id: str
    created_at: str


@dataclass(frozen=True)
class ScoreRow:
    """One metric of model x dataset in one run.

    :param value: in the metric's own unit (OpenCompass's accuracy is a percentage).
    :param stderr: standard error in the same unit, None when there are no per-sample scores for it.
    :param n: samples scored.
    :param version: first six digits of OpenCompass's prompt hash.
    :param step: training step of the model, None when unknown.
    :param path: absolute path of the result file.
    :param series: the training run that the model is a checkpoint of, or the model's own name.
    :param origin: "" of our own runs; :data:`IMPORTED` where nothing tells which weights were scored.
    """

    run_dir: str
    model: str
    dataset: str
    metric: str
    value: float
    stderr: float | None
    n: int
    version: str
    mode: str
    step: int | None
    evaluation_fingerprint: str
    weights_id: str
    path: str
    created_at: str
    series: str = ""
    origin: str = ""

    @property
    def is_group(self) -> bool:
        """Whether this is what a summary group makes of other scores."""
        return self.evaluation_fingerprint.startswith(GROUP)


@dataclass(frozen=True, slots=True)
class SampleRow:
    """How one sample was scored.

    :param idx: position in the dataset's selected rows, from 0.
    :param row: what the scorer says about the row, "" when nothing.
    :param correct: None when the metric knows no right and wrong.
    """

    evaluation_fingerprint: str
    idx: int
    row: str
    correct: bool | None
    score: float | None


@dataclass(frozen=True)
class TimingRow:
    """What one part took of a job, or what the job took besides.

    :param token: of the job.
    :param part: name of the part; "" for start and load of the model.
    :param place: what was asked of the cluster that decides on the device, see ``planning.shards.place``.
    :param device: name of the GPU, or ``cpu``.
    :param dataset: the dataset's abbr; "" for the load.
    :param row_cost: OpenCompass's cost of one row.
    :param items: rows answered in that time; 1 for the load.
    :param created_at: ISO 8601, UTC.
    """

    token: str
    part: str
    engine: str
    place: str
    device: str
    gpus: int
    weights_bytes: int
    dataset: str
    row_cost: int
    items: int
    seconds: float
    created_at: str


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one job used of its GPUs on one day.

    :param token: of the job.
    :param day: of UTC, ISO 8601.
    :param owner: the user on whose account it ran, "" when nobody knows.
    :param series: the training run whose checkpoint it evaluated, "" for none.
    :param gpu_seconds: seconds times devices.
    """

    token: str
    day: str
    owner: str
    series: str
    run_dir: str
    cluster: str
    gpus: int
    gpu_seconds: float


@dataclass(frozen=True)
class MeteredRow:
    """A job that was let begin and is not over, as the process that sees it through knew it last.

    :param owner: the user on whose account it runs, "" when nobody knows.
    :param series: the training run whose checkpoint it evaluates, "" for none.
    :param began: when its shard first ran, seconds since 1970.
    :param seconds: that the shard has run since the run's launch.
    :param expected: seconds that it was planned to take, 0 when nobody knows.
    :param seen_at: when that was, seconds since 1970.
    """

    token: str
    owner: str
    series: str
    run_dir: str
    gpus: int
    began: float
    seconds: float
    expected: float
    seen_at: float


@dataclass(frozen=True)
class PairRows:
    """What one pair of a run brings to the database.

    :param scores: empty when the pair has no usable result; rows of an earlier ingest then stay.
    """

    model: str
    dataset: str
    predictions: tuple[PredictionRow, ...] = ()
    scores: tuple[ScoreRow, ...] = ()
    samples: tuple[SampleRow, ...] = ()


@dataclass(frozen=True)
class CheckpointRow:
    """One set of weights that has scores.

    :param last_evaluated: ISO 8601, UTC.
    :param series: see :class:`ScoreRow`; so is ``origin``.
    :param version: within its series, e.g. ``0.0.7``; "" for what no series has evaluated.
    """

    model: str
    step: int | None
    weights_id: str
    last_evaluated: str
    datasets: tuple[str, ...]
    series: str = ""
    origin: str = ""
    version: str = ""
