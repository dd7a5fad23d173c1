"""Shards as jobs are told of them, named by order and content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opencompass_ops.contract import codec
from opencompass_ops.contract.plan import PlannedShard
from opencompass_ops.contract.spec import (
    BESIDE,
    COMPARISONS,
    EVAL,
    INFER,
    NATIVE,
    OPENCOMPASS,
    VIZ,
    Part,
    ShardSpec,
)
from opencompass_ops.errors import PlanError
from opencompass_ops.planning.judging import JUDGING, comparisons, judges_of, others
from opencompass_ops.planning.packing import Cost
from opencompass_ops.planning.pairs import SplitPair
from opencompass_ops.planning.partition import Partitioner, Piece, row_cost
from opencompass_ops.planning.selection import Group

Splits = Mapping[tuple[str, str], SplitPair]


def infer_specs(
    groups: Sequence[Group], splits: Splits, partitioner: Partitioner | Cost, weights: Mapping[str, str], data_dir: str
) -> tuple[ShardSpec, ...]:
    """One spec per shard of parts that no prediction answers yet; a shard has one engine.

    :param weights: weights_id by model.
    """
    jobs = partitioner.jobs() if isinstance(partitioner, Cost) else _jobs(groups, splits, partitioner)
    parts = {(pair.pair.key[0], part.name): part for pair in splits.values() for part in pair.open_parts}
    specs = []
    for number, (model, pieces) in enumerate(jobs):
        members = [splits[model, abbr] for abbr in dict.fromkeys(piece.abbr for piece in pieces)]
        chosen = tuple(parts[model, piece.name] for piece in pieces)
        engine = members[0].pair.engine
        specs.append(
            ShardSpec(
                id=_shard_id(INFER, number, [model, [[part.name, part.fingerprint] for part in chosen]]),
                kind=INFER,
                model=dict(members[0].pair.model),
                parts=chosen,
                weights_id=weights[model],
                data_dir=data_dir,
                options=_rows(members) if engine == OPENCOMPASS else {},
                engine=engine,
            )
        )
    return tuple(specs)


def _jobs(groups: Sequence[Group], splits: Splits, partitioner: Partitioner) -> list[tuple[str, tuple[Piece, ...]]]:
    """Model and parts of each shard, group by group."""
    found = []
    for group, engine in ((group, engine) for group in groups for engine in (NATIVE, OPENCOMPASS)):
        chosen_by = (splits[group.model, dataset] for dataset in group.datasets)
        members = [member for member in chosen_by if member.pair.engine == engine]
        unanswered = [member.candidate() for member in members if member.pair.tiling is None]
        found += [(group.model, pieces) for pieces in partitioner.shards(unanswered)]
    return found


def eval_specs(
    pairs: Sequence[SplitPair], splits: Splits, weights: Mapping[str, str], data_dir: str
) -> tuple[ShardSpec, ...]:
    """One spec per pair that is to be scored.

    :param splits: all pairs of the run: judges may see others beside the one that is scored.
    """
    return tuple(
        ShardSpec(
            id=_shard_id(EVAL, number, [*pair.pair.key, pair.evaluation_fingerprint]),
            kind=EVAL,
            model=dict(pair.pair.model),
            parts=pair.parts,
            weights_id=weights[pair.pair.key[0]],
            evaluation_fingerprint=pair.evaluation_fingerprint,
            data_dir=data_dir,
            options=_eval_options(pair, splits) if pair.pair.eval_engine == OPENCOMPASS else {},
            engine=pair.pair.eval_engine,
        )
        for number, pair in enumerate(pairs)
    )


def viz_specs(
    tables: Mapping[str, Any] | None, splits: Sequence[SplitPair], stamp: str, data_dir: str
) -> tuple[ShardSpec, ...]:
    """The one spec by which OpenCompass's own summarizer makes tables; none where ours are enough.

    :param tables: the config for ``run.py -m viz``.
    :param stamp: of the launch: each makes its tables anew.
    """
    if tables is None:
        return ()
    name = str(tables["summarizer"]["type"]).rpartition(".")[2]
    options = {"config": dict(tables), "pairs": [[*pair.pair.key, pair.evaluation_fingerprint] for pair in splits]}
    fingerprint = codec.digest([stamp, options])
    whole = Part({"abbr": name}, None, 0, len(splits), len(splits), fingerprint, fingerprint)
    return (
        ShardSpec(
            id=_shard_id(VIZ, 0, [fingerprint]),
            kind=VIZ,
            model={"abbr": "summary"},
            parts=(whole,),
            evaluation_fingerprint=fingerprint,
            data_dir=data_dir,
            options=options,
            engine=OPENCOMPASS,
        ),
    )


def _rows(members: Sequence[SplitPair]) -> dict[str, Any]:
    return {"rows": {member.pair.key[1]: member.pair.probe.rows for member in members}}


def _eval_options(pair: SplitPair, splits: Splits) -> dict[str, Any]:
    model, dataset = pair.pair.key
    options = _rows([pair]) | _judge_gpus(pair)
    groups = comparisons(pair.pair.dataset, model)
    if groups is None:
        return options
    bases = {base["abbr"]: base for base in pair.pair.dataset["eval_cfg"][JUDGING]["base_models"]}
    partners = {name: splits.get((name, dataset)) for name in others(pair.pair.dataset, model)}
    beside = {
        name: {
            "model": dict(split.pair.model) if split else bases[name],
            "parts": [[part.index, part.start, part.stop, part.fingerprint] for part in split.parts] if split else [],
        }
        for name, split in partners.items()
    }
    return options | {COMPARISONS: groups, BESIDE: beside}


def _judge_gpus(pair: SplitPair) -> dict[str, Any]:
    """GPUs of an evaluation: the dataset's, or those of the model that judges (OpenICLEvalTask's rule)."""
    eval_cfg = pair.pair.dataset.get("eval_cfg") or {}
    evaluator = eval_cfg.get("evaluator") or {}
    judges = [evaluator.get("judge_cfg"), (evaluator.get("llm_evaluator") or {}).get("judge_cfg")]
    judges += ((evaluator.get("judge_cfg") or {}).get("judgers") or [])[:1]
    judges += judges_of(pair.pair.dataset)
    asked = [(judge or {}).get("run_cfg") or {} for judge in judges]
    gpus = max([eval_cfg.get("num_gpus") or 0, *(run_cfg.get("num_gpus") or 0 for run_cfg in asked)])
    return {"num_gpus": gpus} if gpus else {}


def planned(spec: ShardSpec, cluster: Mapping[str, Any], splits: Splits) -> PlannedShard:
    """The spec's line in ``plan.json``."""
    gpus, procs = devices(spec.model, cluster) if spec.kind == INFER else (spec.options.get("num_gpus", 0), 1)
    rows = sum(part.count for part in spec.parts)
    is_infer = spec.kind == INFER
    return PlannedShard(
        id=spec.id,
        kind=spec.kind,
        cluster=str(cluster["kind"]),
        label=spec.label,
        model=spec.model_abbr,
        parts=tuple(part.name for part in spec.parts),
        rows=rows,
        cost=sum(row_cost(part.dataset) * part.count for part in spec.parts) if is_infer else rows,
        num_gpus=gpus,
        num_procs=procs,
        engine=spec.engine,
        seconds=round(_seconds(spec, splits), 1) if is_infer else 0.0,
        place=place(spec.model, cluster) if is_infer else "",
    )


def _seconds(spec: ShardSpec, splits: Splits) -> float:
    prices = [splits[spec.model_abbr, part.dataset_abbr].pair.price for part in spec.parts]
    answering = sum(price.row_seconds * part.count for price, part in zip(prices, spec.parts, strict=True))
    return prices[0].load_seconds + answering


def place(model: Mapping[str, Any], cluster: Mapping[str, Any]) -> str:
    """What is asked of the cluster that decides on the kind of device: its name, the partition and the GPU type.

    The device itself is known once a job has run there.
    """
    asked = {**(cluster.get("resources") or {}), **(model.get("run_cfg") or {})}
    return "/".join(str(value or "") for value in (cluster.get("name"), asked.get("partition"), asked.get("gpu_type")))


def _shard_id(kind: str, number: int, content: list[Any]) -> str:
    # A run directory is planned again after a retry or with reuse; without the content, a token of the first plan
    # would stand for other work of the second, and its success would be taken for that work's.
    return f"{kind}-{number:04d}-{codec.digest(content)[:6]}"


def devices(model: Mapping[str, Any], cluster: Mapping[str, Any]) -> tuple[int, int]:
    """GPUs and processes of a model's jobs.

    :raises PlanError: ``run_cfg`` says what is no count.
    """
    run_cfg, abbr = model.get("run_cfg") or {}, str(model["abbr"])
    default = (cluster.get("resources") or {}).get("num_gpus", 0)
    return (
        _count(abbr, "num_gpus", run_cfg.get("num_gpus", default), least=0),
        _count(abbr, "num_procs", run_cfg.get("num_procs", 1), least=1),
    )


def _count(model: str, key: str, value: Any, least: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise PlanError(f"model {model}: run_cfg.{key} is {value!r}; give a whole number of at least {least}")
    return value
