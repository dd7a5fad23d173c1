"""``plan.json``: what a run will do, was asked to do, and need not do again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opencompass_ops.contract import codec
from opencompass_ops.contract.spec import EVAL, INFER, NATIVE, VIZ


@dataclass(frozen=True)
class PlannedModel:
    """:param step: training step read from abbr or path, None when neither tells.
    :param weights_bytes: size of its weights, 0 when unknown.
    """

    abbr: str
    path: str
    weights_id: str
    column: str
    step: int | None = None
    weights_bytes: int = 0


@dataclass(frozen=True)
class PlannedDataset:
    """:param version: first six digits of OpenCompass's prompt hash.
    :param mode: ``gen``, ``ppl``, ``ll`` or ``unknown``: the summary's column.
    :param rows: selected rows.
    :param row_cost: OpenCompass's cost of one row.
    """

    abbr: str
    version: str
    mode: str
    rows: int
    row_cost: int = 0


@dataclass(frozen=True)
class PlannedShard:
    """One job. Its spec lies in ``shards/{id}.json``.

    :param cluster: kind of the cluster that runs it: local, slurm or dlc.
    :param cost: in the partitioner's unit (rows times factor); comparable within a plan only.
    :param parts: names of its dataset parts.
    :param engine: who does the work: ``native`` or ``opencompass``.
    :param seconds: what the job is expected to take, the model's load included; 0 when nobody knows.
    :param place: what was asked of the cluster that decides on the kind of device; "" for evaluations.
    """

    id: str
    kind: str
    cluster: str
    label: str
    model: str
    parts: tuple[str, ...]
    rows: int
    cost: float
    num_gpus: int = 0
    num_procs: int = 1
    engine: str = NATIVE
    seconds: float = 0.0
    place: str = ""


@dataclass(frozen=True)
class PlannedPair:
    """Model x dataset: what its score is made of.

    :param parts: names of the prediction files that tile the dataset, in order.
    :param ranges: ``[start, stop]`` of each part.
    :param reused: names of the parts that were answered before and need no job.
    :param shards: ids of the infer shards that write the others.
    :param evaluation: id of the eval shard, "" when the result was reused or mode is infer.
    :param fingerprint: of the evaluation.
    :param engine: who answers: ``native`` or ``opencompass``.
    :param scorer: who scores; "" where nobody does: judges only compare others with it, or it must not run code.
    :param bridged: why it is not all native, "" when it is.
    """

    model: str
    dataset: str
    rows: int
    parts: tuple[str, ...]
    ranges: tuple[tuple[int, int], ...]
    reused: tuple[str, ...]
    shards: tuple[str, ...]
    evaluation: str
    fingerprint: str
    engine: str = NATIVE
    scorer: str = NATIVE
    bridged: str = ""


@dataclass(frozen=True)
class PlannedStage:
    """Where the jobs of one stage run.

    :param cluster: the resolved cluster config.
    :param max_num_workers: so many of them are alive at once.
    :param retry: how often a failed one is tried again.
    """

    cluster: dict[str, Any]
    max_num_workers: int
    retry: int


@dataclass(frozen=True)
class PlannedLimits:
    """What the run may use from its launch on, and on whose account.

    :param launched: ISO 8601 with its offset; "" where the run has no limits on the clock.
    :param user: who launched it, "" when nobody knows.
    :param series: the training run whose checkpoints it evaluates, "" for none.
    :param shard_seconds: that one shard may run, all of its jobs added up; None for no limit.
    :param run_seconds: from the launch to the end of its last job; None for no limit.
    :param gpu_seconds: of all its jobs; None for no limit.
    :param series_gpu_seconds: of all jobs of its series, as the series says of itself; None for no limit.
    """

    launched: str = ""
    user: str = ""
    series: str = ""
    shard_seconds: float | None = None
    run_seconds: float | None = None
    gpu_seconds: float | None = None
    series_gpu_seconds: float | None = None


@dataclass(frozen=True)
class Plan:
    """The whole run.

    :param stamp: ``YYYYmmdd_HHMMSS`` of the launch; names configs and summary files.
    :param run_dir: absolute run directory on the control side.
    :param instance: identity of this installation, part of every token.
    :param params: the validated request, secrets masked.
    :param cluster: the resolved cluster config, as ``max_num_workers`` and ``retry`` that of inference.
    :param evaluation: where evaluations run, and what makes tables of them; empty where inference does.
    :param limits: of time and GPU-hours; empty for none.
    :param tables: shards by which a summarizer of OpenCompass's makes its tables.
    :param warnings: what people should know before they trust the numbers.
    """

    stamp: str
    run_dir: str
    instance: str
    mode: str
    config: str
    config_fingerprint: str
    params: dict[str, Any]
    cluster: dict[str, Any]
    max_num_workers: int
    retry: int
    models: tuple[PlannedModel, ...]
    datasets: tuple[PlannedDataset, ...]
    pairs: tuple[PlannedPair, ...]
    shards: tuple[PlannedShard, ...]
    evaluations: tuple[PlannedShard, ...]
    summarizer: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    evaluation: PlannedStage | tuple[()] = ()
    limits: PlannedLimits | tuple[()] = ()
    tables: tuple[PlannedShard, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    def stage(self, kind: str) -> PlannedStage:
        """Where shards of a kind run."""
        own = () if kind == INFER else self.evaluation
        return own or PlannedStage(self.cluster, self.max_num_workers, self.retry)

    def stage_of(self, shard: str) -> PlannedStage:
        """Where a shard runs.

        :param shard: its id.
        """
        kinds = (planned.kind for planned in self.all_shards if planned.id == shard)
        return self.stage(next(kinds, INFER))

    @property
    def stages(self) -> dict[str, tuple[PlannedShard, ...]]:
        """The shards by kind, in the order in which they run."""
        return {INFER: self.shards, EVAL: self.evaluations, VIZ: self.tables}

    @property
    def all_shards(self) -> tuple[PlannedShard, ...]:
        """Those of every stage."""
        return (*self.shards, *self.evaluations, *self.tables)

    def to_json(self) -> str:
        """The JSON text that :meth:`from_json` reads."""
        return codec.dumps(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Plan:
        """Read a plan; raises :class:`codec.SchemaError` when it is damaged or too new."""
        nested: dict[str, type] = {
            "models": PlannedModel,
            "datasets": PlannedDataset,
            "pairs": PlannedPair,
            "shards": PlannedShard,
            "evaluations": PlannedShard,
            "tables": PlannedShard,
            "evaluation": PlannedStage,
            "limits": PlannedLimits,
        }
        return codec.loads(cls, text, nested=nested)
