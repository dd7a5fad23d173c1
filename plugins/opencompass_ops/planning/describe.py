"""A plan in plain text, for people who want to know before they spend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opencompass_ops.contract.plan import Plan, PlannedModel, PlannedShard
from opencompass_ops.contract.spec import NATIVE, Part, ShardSpec
from opencompass_ops.planning.plan import PlanOutput


def describe(output: PlanOutput, commands: Mapping[str, str] | None = None) -> str:
    """Models, datasets, every shard with its ranges and cost, and what is reused.

    :param commands: shard id -> the command that would start it.
    """
    plan = output.plan
    lines = [
        f"plan {plan.stamp}: mode {plan.mode}, {len(plan.models)} models x {len(plan.datasets)} datasets, "
        f"{len(plan.pairs)} pairs, on {plan.cluster.get('name', plan.cluster['kind'])}",
        f"config: {plan.config}",
        f"run directory: {plan.run_dir}",
        *_models(plan.models),
        *_datasets(plan),
        *_infer(output),
        *_reused(output),
        *_evaluations(output),
        *(f"tables: by {shard.label}, once everything is scored" for shard in plan.tables),
        *_bridged(plan),
        *_commands(commands or {}),
        *(f"warning: {warning}" for warning in plan.warnings),
    ]
    return "\n".join(lines)


def _models(models: Sequence[PlannedModel]) -> list[str]:
    return ["models:"] + [
        f"  {model.abbr}"
        + ("" if model.step is None else f"  step {model.step}")
        + f"  weights {model.weights_id.rpartition(':')[2][:12]}"
        for model in models
    ]


def _datasets(plan: Plan) -> list[str]:
    return ["datasets:"] + [
        f"  {dataset.abbr}  {dataset.mode}  {dataset.rows:,} rows  version {dataset.version or '-'}"
        for dataset in plan.datasets
    ]


def _infer(output: PlanOutput) -> list[str]:
    plan, specs = output.plan, {spec.id: spec for spec in output.specs}
    if not plan.shards:
        return ["infer: no job"]
    rows, cost = sum(shard.rows for shard in plan.shards), sum(shard.cost for shard in plan.shards)
    seconds = duration(sum(shard.seconds for shard in plan.shards))
    head = (
        f"infer: {_count(len(plan.shards), 'job')}, {rows:,} rows, cost {cost:,.0f}, about {seconds} in all, "
        f"{plan.max_num_workers} at once"
    )
    return [head] + [_shard(shard, specs[shard.id]) for shard in plan.shards]


def _shard(shard: PlannedShard, spec: ShardSpec) -> str:
    parts = " ".join(_part(part) for part in spec.parts)
    gpus = f", {shard.num_gpus} GPUs" if shard.num_gpus else ""
    size = f"{shard.rows:,} rows, cost {shard.cost:,.0f}, about {duration(shard.seconds)}"
    return f"  {shard.id}  {shard.model}  {size}{gpus}{_engine(shard)}: {parts}"


def _engine(shard: PlannedShard) -> str:
    return "" if shard.engine == NATIVE else f", engine: {shard.engine}"


def _bridged(plan: Plan) -> list[str]:
    """Why OpenCompass itself is needed, once for each dataset and reason."""
    reasons = dict.fromkeys((pair.dataset, pair.bridged) for pair in plan.pairs if pair.bridged)
    return [f"engine: opencompass for {dataset}: {reason}" for dataset, reason in reasons]


def duration(seconds: float) -> str:
    """``45s``, ``12m 05s`` or ``3h 20m``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m {whole % 60:02}s" if whole < 3600 else f"{whole // 3600}h {whole % 3600 // 60:02}m"


def _part(part: Part) -> str:
    return f"{part.name}[{part.start}:{part.stop}]"


def _reused(output: PlanOutput) -> list[str]:
    adoptions = output.adoptions
    rows = sum(adoption.part.count for adoption in adoptions)
    if not adoptions:
        return ["reused predictions: none"]
    return [f"reused predictions: {_count(len(adoptions), 'part')}, {rows:,} rows"] + [
        f"  {adoption.model}  {_part(adoption.part)}  from {adoption.source}" for adoption in adoptions
    ]


def _evaluations(output: PlanOutput) -> list[str]:
    reused = output.result_adoptions
    plan, where = output.plan, ""
    if plan.evaluation and plan.evaluation.cluster.get("name") != plan.cluster.get("name"):
        where = f", on {plan.evaluation.cluster['name']}, {plan.evaluation.max_num_workers} at once"
    lines = [f"evaluate: {_count(len(plan.evaluations), 'job')}, {_count(len(reused), 'result')} reused{where}"]
    lines += [f"  {shard.id}  {shard.label}  {shard.rows:,} rows" for shard in plan.evaluations]
    return lines + [f"  reused  {result.model}/{result.dataset}  from {result.source}" for result in reused]


def _commands(commands: Mapping[str, str]) -> list[str]:
    return [line for shard, command in commands.items() for line in ("command of " + shard + ":", "  " + command)]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
