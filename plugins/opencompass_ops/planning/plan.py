"""From a request and what is known to the plan: which jobs run, and what need not run again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from opencompass_ops.contract.plan import Plan, PlannedDataset, PlannedLimits, PlannedModel, PlannedPair, PlannedStage
from opencompass_ops.contract.probe import ProbeReport
from opencompass_ops.contract.spec import DUMP_DETAILS, DUMP_RES_LENGTH, NATIVE, OPENCOMPASS, RUN_CODE, Part, ShardSpec
from opencompass_ops.errors import PlanError
from opencompass_ops.planning.capacity import refuse_too_many
from opencompass_ops.planning.costs import CostModel, Work, learn
from opencompass_ops.planning.fingerprint import engine_identity, pair_fingerprint, scorer_identity
from opencompass_ops.planning.judging import against, comparisons, others
from opencompass_ops.planning.packing import Cost
from opencompass_ops.planning.pairs import Pair, Price, SplitPair, make_pair, refuse_shared_names, split
from opencompass_ops.planning.partition import GEN_TASK_COEF, Partitioner, Range, Size, row_cost
from opencompass_ops.planning.permission import refuse_unasked, why_not
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.selection import Facts, Group, select, usable
from opencompass_ops.planning.shards import devices, eval_specs, infer_specs, place, planned, viz_specs
from opencompass_ops.planning.steps import training_step
from opencompass_ops.planning.tiling import KnownPart

__all__ = ["Adoption", "KnownPart", "PlanInput", "PlanOutput", "ResultAdoption", "make_plan"]


@dataclass(frozen=True)
class PlanInput:
    """Everything a plan depends on.

    :param stamp: ``YYYYmmdd_HHMMSS`` of the launch.
    :param config: path of the config.
    :param params: of the request, secrets masked.
    :param models: resolved model configs, each with a unique ``abbr``.
    :param datasets: resolved dataset configs, each with a unique ``abbr``.
    :param combinations: ``{"models": [abbr, ...], "datasets": [abbr, ...]}`` each; empty for all x all.
    :param versions: by dataset, the first six digits of its prompt hash.
    :param modes: by dataset, ``gen``, ``ppl``, ``ll`` or ``unknown``.
    :param cluster: the resolved cluster config; ``kind`` is required.
    :param known_predictions: by pair fingerprint, prediction files that exist and agree with their manifests.
    :param known_results: by evaluation fingerprint, the path of a result file that exists.
    :param believed: by model and dataset, prediction files that are taken by name where none is known.
    :param believed_results: the same of result files.
    :param believed_judgements: the same of what judges left, run-relative, where no result was made of it.
    :param max_map_length: the most shards of one kind, Airflow's ``[core] max_map_length``.
    :param data_dir: the folder relative data paths are resolved against.
    :param partitioner: the one that the config's ``infer`` section names; a size in the request wins over it. None to
        plan by expected time.
    :param evaluation: where evaluations run; None where inference does.
    :param costs: what work is expected to take.
    :param begun: by (model, dataset), the ranges of an earlier plan of this run directory of which some are answered
        or begun; they stay as they are unless the request or the config says how to split.
    :param tables: the config by which OpenCompass's own summarizer makes tables; None where ours are enough.
    :param warnings: what is to be said beside the planner's own warnings.
    :param limits: of time and GPU-hours.
    """

    request: Request
    stamp: str
    run_dir: str
    instance: str
    config: str
    config_fingerprint: str
    params: Mapping[str, Any]
    models: Sequence[Mapping[str, Any]]
    datasets: Sequence[Mapping[str, Any]]
    probe: ProbeReport
    cluster: Mapping[str, Any]
    combinations: Sequence[Mapping[str, Any]] = ()
    summarizer: Mapping[str, Any] | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    modes: Mapping[str, str] = field(default_factory=dict)
    known_predictions: Mapping[str, Sequence[KnownPart]] = field(default_factory=dict)
    known_results: Mapping[str, str] = field(default_factory=dict)
    believed: Mapping[tuple[str, str], Sequence[KnownPart]] = field(default_factory=dict)
    believed_results: Mapping[tuple[str, str], str] = field(default_factory=dict)
    believed_judgements: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    max_map_length: int = 1024
    data_dir: str = ""
    partitioner: Partitioner | None = None
    evaluation: PlannedStage | None = None
    costs: CostModel = field(default_factory=learn)
    begun: Mapping[tuple[str, str], Sequence[Range]] = field(default_factory=dict)
    tables: Mapping[str, Any] | None = None
    warnings: Sequence[str] = ()
    limits: PlannedLimits = field(default_factory=PlannedLimits)


@dataclass(frozen=True)
class Adoption:
    """A prediction file of before that answers a part of this run.

    Several adoptions may come from the run directory itself, under other names: read or link all sources aside
    before replacing any target.

    :param source: path of the prediction file.
    """

    model: str
    part: Part
    source: str


@dataclass(frozen=True)
class ResultAdoption:
    """A result file of before that is this run's score of model x dataset.

    :param judged: run-relative paths of what judges left, where the result is still to be made of it; the source is
        then the first of them.
    """

    model: str
    dataset: str
    fingerprint: str
    source: str
    judged: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlanOutput:
    """The plan and what is to be written beside it.

    :param specs: of the plan's shards, in order.
    """

    plan: Plan
    specs: tuple[ShardSpec, ...]
    adoptions: tuple[Adoption, ...]
    result_adoptions: tuple[ResultAdoption, ...]


def make_plan(given: PlanInput) -> PlanOutput:
    """Plan a run.

    :raises PlanError: one message that names every culprit and the next step.
    """
    request = given.request
    groups = select(given.models, given.datasets, given.combinations)
    facts = usable(given.probe, groups)
    pairs = _pairs(given, groups, facts)
    partitioner = _partitioner(given, pairs)
    splits = tuple(split(pair, partitioner) for pair in pairs)
    refuse_shared_names(splits)
    if request.mode == "eval":
        _refuse_missing(pairs)
    weights = {name: probe.weights_id for name, probe in facts.models.items()}
    by_key = {pair.pair.key: pair for pair in splits}
    infer = (
        infer_specs(groups, by_key, partitioner, weights, given.data_dir) if request.mode in ("all", "infer") else ()
    )
    results = _known_results(given, splits)
    is_scored = request.mode in ("all", "eval")
    wanted = [pair for pair in splits if is_scored and pair.pair.eval_engine and pair.pair.key not in results]
    forbidden = {pair.pair.key: why for pair in wanted if (why := why_not(pair, request.run_code))}
    if request.mode == "eval":
        refuse_unasked(forbidden)
    scored = [pair for pair in wanted if pair.pair.key not in forbidden]
    infer = _with_option(infer, DUMP_RES_LENGTH, request.dump_res_length or None)
    evaluations = eval_specs(scored, by_key, weights, given.data_dir)
    evaluations = _with_option(evaluations, DUMP_DETAILS, None if request.dump_eval_details else False)
    evaluations = tuple(_with_code(spec, by_key, request.run_code) for spec in evaluations)
    tables = viz_specs(given.tables, splits, given.stamp, given.data_dir)
    refuse_too_many(len(infer), len(evaluations), request, given.max_map_length, groups)
    return PlanOutput(
        plan=_plan(given, facts, by_key, infer, evaluations, tables, forbidden),
        specs=infer + evaluations + tables,
        adoptions=tuple(
            Adoption(pair.pair.key[0], part, pair.sources[part.name])
            for pair in splits
            for part in pair.parts
            if part.name in pair.sources
        ),
        result_adoptions=tuple(results.values()),
    )


def _pairs(given: PlanInput, groups: Sequence[Group], facts: Facts) -> tuple[Pair, ...]:
    models = {str(model["abbr"]): model for model in given.models}
    datasets = {str(dataset["abbr"]): dataset for dataset in given.datasets}
    pairs = []
    for group in groups:
        for name in group.datasets:
            model, dataset = models[group.model], datasets[name]
            asked = facts.requests[group.model, name]
            engine = engine_identity(asked.bridge, given.probe)
            fingerprint = pair_fingerprint(model, facts.models[group.model], dataset, asked.digest, engine)
            known = given.known_predictions.get(fingerprint) or given.believed.get((group.model, name), ())
            begun = given.begun.get((group.model, name), ())
            price = _price(given, facts, model, dataset, OPENCOMPASS if asked.bridge else NATIVE)
            pair = make_pair(model, dataset, facts.datasets[name], fingerprint, known, begun, price)
            scorer = scorer_identity(asked, given.probe)
            pairs.append(replace(pair, bridge=asked.bridge, eval_bridge=asked.eval_bridge, scorer=scorer))
    known_pairs = {pair.key: pair.fingerprint for pair in pairs}
    return tuple(_compared(pair, known_pairs) for pair in pairs)


def _compared(pair: Pair, fingerprints: Mapping[tuple[str, str], str]) -> Pair:
    """The pair, with those that judges see beside it."""
    model, _ = pair.key
    return replace(
        pair,
        against=against(pair.dataset, model, fingerprints),
        is_reference=comparisons(pair.dataset, model) == [],
    )


def _price(given: PlanInput, facts: Facts, model: Mapping[str, Any], dataset: Mapping[str, Any], engine: str) -> Price:
    size = facts.models[str(model["abbr"])].weights_bytes
    gpus, _ = devices(model, given.cluster)
    device = given.costs.devices.get(place(model, given.cluster), "")
    load = Work(engine, device, gpus, size)
    row = replace(load, dataset=str(dataset["abbr"]), row_cost=row_cost(dataset))
    return Price(given.costs.row_seconds(row), given.costs.load_seconds(load), given.costs.is_known(row))


def _partitioner(given: PlanInput, pairs: Sequence[Pair]) -> Partitioner | Cost:
    request = given.request
    unanswered = [pair.candidate() for pair in pairs if pair.tiling is None]
    # Each of OpenCompass's two old flags means its SizePartitioner.
    size = request.max_partition_size or (Size().max_task_size if request.gen_task_coef else None)
    partitioner = given.partitioner if size is None else Size(size, request.gen_task_coef or GEN_TASK_COEF)
    if isinstance(partitioner, Size):
        partitioner.check(unanswered)
    if partitioner is not None:
        return partitioner
    target = None if request.target_minutes is None else 60.0 * request.target_minutes
    return Cost(unanswered, request.max_num_workers, target, given.max_map_length)


def _refuse_missing(pairs: Sequence[Pair], shown: int = 10) -> None:
    missing = [f"{pair.name}: {pair.missing()}" for pair in pairs if pair.tiling is None]
    if missing:
        more = [f"and {len(missing) - shown} more"] if len(missing) > shown else []
        raise PlanError(
            f"mode=eval scores predictions that exist, but {len(missing)} of {len(pairs)} pairs lack some. "
            "Use mode=all, which infers what is missing:\n- " + "\n- ".join(missing[:shown] + more)
        )


def _known_results(given: PlanInput, splits: Sequence[SplitPair]) -> dict[tuple[str, str], ResultAdoption]:
    """Results that stand: none for a pair of which this run infers a part, for that may answer otherwise."""
    if given.request.mode == "infer":
        return {}
    found = {}
    splits_by_key = {pair.pair.key: pair for pair in splits}
    for pair in splits:
        source = given.known_results.get(pair.evaluation_fingerprint) or given.believed_results.get(pair.pair.key)
        judged = () if source else given.believed_judgements.get(pair.pair.key, ())
        source = judged[0] if judged else source
        partners = [splits_by_key.get((name, pair.pair.key[1])) for name in others(pair.pair.dataset, pair.pair.key[0])]
        is_inferred = given.request.mode == "all" and any(each.open_parts for each in (pair, *filter(None, partners)))
        if source is not None and not is_inferred:
            found[pair.pair.key] = ResultAdoption(*pair.pair.key, pair.evaluation_fingerprint, source, judged)
    return found


def _plan(
    given: PlanInput,
    facts: Facts,
    splits: Mapping[tuple[str, str], SplitPair],
    infer: Sequence[ShardSpec],
    evaluations: Sequence[ShardSpec],
    tables: Sequence[ShardSpec],
    forbidden: Mapping[tuple[str, str], str],
) -> Plan:
    request = given.request
    models = {key for key, _ in splits}
    datasets = {key for _, key in splits}
    planned_models = tuple(_model(model, facts) for model in given.models if model["abbr"] in models)
    planned_datasets = tuple(_dataset(given, d["abbr"], facts) for d in given.datasets if d["abbr"] in datasets)
    return Plan(
        stamp=given.stamp,
        run_dir=given.run_dir,
        instance=given.instance,
        mode=request.mode,
        config=given.config,
        config_fingerprint=given.config_fingerprint,
        params=dict(given.params),
        cluster=dict(given.cluster),
        max_num_workers=request.max_num_workers,
        retry=request.retry,
        models=planned_models,
        datasets=planned_datasets,
        pairs=tuple(
            replace(pair, scorer="") if (pair.model, pair.dataset) in forbidden else pair
            for pair in _planned_pairs(tuple(splits.values()), infer, evaluations)
        ),
        shards=tuple(planned(spec, given.cluster, splits) for spec in infer),
        evaluations=tuple(planned(spec, _eval_cluster(given), splits) for spec in evaluations),
        evaluation=given.evaluation or (),
        limits=given.limits,
        tables=tuple(planned(spec, _eval_cluster(given), splits) for spec in tables),
        summarizer=None if given.summarizer is None else dict(given.summarizer),
        warnings=(*given.warnings, *_warnings(planned_models, planned_datasets, facts), *_unscored(forbidden)),
    )


def _with_option(specs: tuple[ShardSpec, ...], option: str, value: bool | None) -> tuple[ShardSpec, ...]:
    """The specs with an option of the request; None where it is the usual one."""
    return specs if value is None else tuple(replace(spec, options={**spec.options, option: value}) for spec in specs)


def _with_code(spec: ShardSpec, splits: Mapping[tuple[str, str], SplitPair], run_code: str | None) -> ShardSpec:
    """The evaluation with the leave to run code, where it runs some."""
    is_needed = splits[spec.model_abbr, spec.parts[0].dataset_abbr].pair.probe.runs_code
    return replace(spec, options={**spec.options, RUN_CODE: run_code}) if is_needed else spec


def _unscored(forbidden: Mapping[tuple[str, str], str]) -> list[str]:
    reasons = dict.fromkeys((dataset, why) for (_, dataset), why in forbidden.items())
    return [f"{dataset} is answered and not scored: {why}" for dataset, why in reasons]


def _eval_cluster(given: PlanInput) -> Mapping[str, Any]:
    return given.evaluation.cluster if given.evaluation else given.cluster


def _model(model: Mapping[str, Any], facts: Facts) -> PlannedModel:
    abbr, path = str(model["abbr"]), str(model.get("path") or "")
    return PlannedModel(
        abbr=abbr,
        path=path,
        weights_id=facts.models[abbr].weights_id,
        column=str(model.get("summarizer_abbr") or abbr),
        step=training_step(abbr, path),
        weights_bytes=facts.models[abbr].weights_bytes,
    )


def _dataset(given: PlanInput, abbr: str, facts: Facts) -> PlannedDataset:
    dataset = next(dataset for dataset in given.datasets if dataset["abbr"] == abbr)
    return PlannedDataset(
        abbr=abbr,
        version=given.versions.get(abbr, ""),
        mode=given.modes.get(abbr, "unknown"),
        rows=facts.datasets[abbr].selected,
        row_cost=row_cost(dataset),
    )


def _planned_pairs(
    splits: Sequence[SplitPair], infer: Sequence[ShardSpec], evaluations: Sequence[ShardSpec]
) -> tuple[PlannedPair, ...]:
    writers: dict[tuple[str, str], list[str]] = {}
    for spec in infer:
        for part in spec.parts:
            writers.setdefault((spec.model_abbr, part.dataset_abbr), []).append(spec.id)
    scorers = {(spec.model_abbr, spec.parts[0].dataset_abbr): spec.id for spec in evaluations}
    return tuple(
        PlannedPair(
            model=pair.pair.key[0],
            dataset=pair.pair.key[1],
            rows=pair.pair.probe.selected,
            parts=tuple(part.name for part in pair.parts),
            ranges=tuple((part.start, part.stop) for part in pair.parts),
            reused=tuple(part.name for part in pair.parts if part.name in pair.sources),
            shards=tuple(dict.fromkeys(writers.get(pair.pair.key, ()))),
            evaluation=scorers.get(pair.pair.key, ""),
            fingerprint=pair.evaluation_fingerprint,
            engine=pair.pair.engine,
            scorer=pair.pair.eval_engine,
            bridged=pair.pair.bridge or pair.pair.eval_bridge,
        )
        for pair in splits
    )


def _warnings(models: Sequence[PlannedModel], datasets: Sequence[PlannedDataset], facts: Facts) -> list[str]:
    cut = [d.abbr for d in datasets if d.rows < facts.datasets[d.abbr].rows]
    columns = [model.column for model in models]
    twins = sorted({column for column in columns if columns.count(column) > 1})
    warnings = []
    if cut:
        warnings.append(f"scores are of a part of the rows (test_range or limit): {', '.join(cut)}")
    if twins:
        warnings.append(f"several models share a column of the summary: {', '.join(twins)}; change summarizer_abbr")
    return warnings
