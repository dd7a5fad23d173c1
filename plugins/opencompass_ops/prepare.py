"""Request to plan on disk: the one way in for the DAG and the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from opencompass_ops.bridging import complete, tables_config
from opencompass_ops.budgets.hours import HOUR, seconds, today
from opencompass_ops.budgets.ledger import exhausted
from opencompass_ops.budgets.site import GRANTED, Scope, site
from opencompass_ops.budgets.watched import own_scopes
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.configs.masking import mask, masked_text
from opencompass_ops.configs.names import mode, prompt_hash
from opencompass_ops.configs.resolve import EvalConfig
from opencompass_ops.contract import layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan, PlannedLimits, PlannedShard
from opencompass_ops.contract.probe import ProbeReport, ProbeRequest
from opencompass_ops.contract.spec import EVAL, ShardSpec
from opencompass_ops.errors import HoursSpent, PlanError
from opencompass_ops.gates.policy import GatePolicy
from opencompass_ops.gates.references import check_baseline
from opencompass_ops.history import begun_ranges, learned_costs, with_remembered_weights
from opencompass_ops.instance import absolute, instance_id
from opencompass_ops.judges import with_judges
from opencompass_ops.liveness import live_jobs, read_plan
from opencompass_ops.planning.describe import describe
from opencompass_ops.planning.plan import PlanInput, PlanOutput, make_plan
from opencompass_ops.planning.request import Request
from opencompass_ops.preview import commands
from opencompass_ops.probing import probe
from opencompass_ops.publishing import requested
from opencompass_ops.resolved import ResolvedRequest, Say, resolve_request
from opencompass_ops.results.store import Store
from opencompass_ops.results.summary import check_summarizer
from opencompass_ops.reuse import Known, adopt, look_up
from opencompass_ops.run_folder import claim_run_dir, find_reused, reused_nothing, work_dir_of
from opencompass_ops.staleness import describe_stale, set_aside, wanted_pairs, write_identities


@dataclass(frozen=True)
class Prepared:
    """A checked plan.

    :param text: what people read: shards, costs, what is reused.
    :param dry_run: nothing was written.
    :param specs: what the jobs of a dry run would be told.
    """

    plan: Plan
    text: str
    dry_run: bool
    specs: tuple[ShardSpec, ...] = ()

    @property
    def run_dir(self) -> Path:
        """The run directory, claimed unless this is a dry run."""
        return Path(self.plan.run_dir)

    def mapping(self) -> dict[str, Any]:
        """What the mapped operators expand: stage -> cluster kind -> keyword arguments; empty lists in a dry run."""
        stages = self.plan.stages
        mapping = {} if self.dry_run else {stage: self._kinds(shards) for stage, shards in stages.items()}
        empty: dict[str, Any] = {stage: {} for stage in stages}
        return {"run_dir": self.plan.run_dir, "dry_run": self.dry_run, "mapping": empty | mapping}

    def _kinds(self, shards: tuple[PlannedShard, ...]) -> dict[str, list[dict[str, str]]]:
        kinds: dict[str, list[dict[str, str]]] = {}
        for shard in shards:
            item = {"run_dir": self.plan.run_dir, "shard": shard.id, "title": shard.label}
            kinds.setdefault(shard.cluster, []).append(item)
        return kinds


def prepare(
    params: dict[str, Any],
    *,
    database_url: str,
    say: Say,
    run_dir: Path | None = None,
    on_claim: Callable[[Path], None] = lambda folder: None,
    max_map_length: int = 1024,
    user: str = "",
    weights: str = "",
    is_still: Callable[[], bool] = lambda: True,
    series_gpu_hours: float | None = None,
) -> Prepared:
    """Check the request, resolve the config, probe data and weights, plan, and write the plan.

    Nothing is written before everything was checked.

    :param params: the form's values; unknown ones are refused.
    :param database_url: where earlier predictions are looked up.
    :param say: called with progress lines.
    :param run_dir: go on in this run directory, claimed by an earlier try of the same request; while jobs of that
        try are alive, its plan stands.
    :param on_claim: called with the run directory once it is claimed.
    :param max_map_length: most shards of one stage.
    :param user: on whose account the run goes, "" when nobody knows.
    :param weights: identity that the weights must have, "" for any.
    :param is_still: whether the checkpoint that was chosen is there as it was; asked where the probe cannot tell.
    :param series_gpu_hours: that the run's series may use in all, as it says of itself; None for no limit.
    :raises InputError: one message that names each culprit and the next step.
    """
    params = requested(params)
    asked = resolve_request(params, say)
    request, cluster, config = asked.request, asked.cluster, asked.config
    check_summarizer(config.summarizer, [dataset["abbr"] for dataset in config.datasets])
    work_dir = work_dir_of(request, config, cluster)
    reused_dir = run_dir or find_reused(request, work_dir, say)
    alive = live_jobs(reused_dir) if reused_dir and not request.dry_run else ()
    if run_dir and alive:
        return Prepared(read_plan(run_dir), f"{_alive(alive)}; the plan in {run_dir} stands", dry_run=False)
    if alive:
        raise PlanError(f"{_alive(alive)}; go on with it by: opencompass-ops attach {reused_dir}")
    say(f"{config.path.name}: {len(config.models)} models x {len(config.datasets)} datasets; looking at the files")
    question = _probe_request(request, cluster, config)
    report = complete(probe(question, cluster), question, cluster, asked.scoring)
    if reused_dir and question.weights_may_be_gone:
        report = with_remembered_weights(report, reused_dir, config.models)
    _refuse_others(report, weights, is_still)
    report = with_judges(report, cluster, asked.scoring)
    with Store.open(database_url) as store:
        check_baseline(store, GatePolicy.from_text(request.gate, request.baseline).baseline, request.series or "")
        known = look_up(config, report, store, reused_dir, believe_results=request.mode == "viz")
        costs = learned_costs(store)
        limits = _limits(request, user, str(params.get("series") or ""), series_gpu_hours)
        # A new run has used nothing of its own limit; of one that goes on, earlier launches may have used it up.
        own = own_scopes(limits, str(reused_dir or ""))
        spent = exhausted(store, (*own, *site().scopes(user, limits.series, today())))
    wanted = wanted_pairs(config, report)
    stale = describe_stale(reused_dir, wanted) if reused_dir else []
    stale += [] if run_dir else reused_nothing(request, work_dir, reused_dir)
    if request.mode == "eval":  # refuses what lacks predictions, and a refusal shows no warnings
        for line in stale:
            say(line)
    asked = replace(asked, config=replace(config, warnings=(*config.warnings, *stale)))
    seed = _plan_input(asked, params, report, known, max_map_length)
    seed = replace(seed, costs=costs, begun=begun_ranges(reused_dir), limits=limits)
    if request.dry_run:
        seed = replace(
            seed, warnings=(*seed.warnings, *(f"no job with GPUs would begin: {line}" for line in spent.values()))
        )
    output, folder = _claim(seed, cluster, work_dir, reused_dir, spent, dry_run=request.dry_run)
    if not request.dry_run:
        on_claim(folder)
        _write(output, folder, report, config)
        write_identities(LocalFiles(folder), wanted)
    shown = commands(output) if request.dry_run else {}
    specs = output.specs if request.dry_run else ()
    return Prepared(plan=output.plan, text=describe(output, shown), dry_run=request.dry_run, specs=specs)


def look_at(config: EvalConfig, cluster: ClusterConfig, scoring: ClusterConfig) -> ProbeReport:
    """What the probe says of models and datasets, which need not make an evaluation together.

    :param cluster: where inference would run.
    :param scoring: where evaluations would run.
    :raises PlanError: the probe itself could not run.
    :raises UnsureError: the cluster could not be asked.
    """
    question = _probe_request(Request(), cluster, config)
    return with_judges(complete(probe(question, cluster), question, cluster, scoring), cluster, scoring)


def _alive(tokens: Sequence[str]) -> str:
    shown = ", ".join(tokens[:3]) + (" ..." if len(tokens) > 3 else "")
    return f"{len(tokens)} jobs of the run are alive ({shown})"


def _limits(request: Request, user: str, series: str, series_gpu_hours: float | None) -> PlannedLimits:
    return PlannedLimits(
        launched=datetime.now().astimezone().isoformat(timespec="seconds"),
        user=user,
        series=series,
        shard_seconds=seconds(request.shard_hours),
        run_seconds=seconds(request.run_hours),
        gpu_seconds=seconds(request.gpu_hours),
        series_gpu_seconds=None if series_gpu_hours is None else series_gpu_hours * HOUR,
    )


def _data_dir(cluster: ClusterConfig) -> str:
    return str(absolute(cluster.data_dir))


def _probe_request(request: Request, cluster: ClusterConfig, config: EvalConfig) -> ProbeRequest:
    """The question, with paths as the place of the probe sees them; those in configs are the cluster's."""
    on_login = cluster.probe_on == "login"
    here = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"), "opencompass-ops")
    there = Path(cluster.state_dir or "~/.opencompass-ops", "cache")
    return ProbeRequest(
        models=tuple(config.models if on_login else seen_here(config.models, cluster)),
        datasets=tuple(config.datasets if on_login else seen_here(config.datasets, cluster)),
        limit=request.limit,
        data_dir=cluster.on_cluster(_data_dir(cluster)) if on_login else _data_dir(cluster),
        cache_dir=str(there if on_login else here),
        weights_may_be_gone=request.mode == "viz",
    )


def seen_here(configs: Sequence[dict[str, Any]], cluster: ClusterConfig) -> list[dict[str, Any]]:
    """Configs with their paths as this host sees them."""
    paths = ("path", "tokenizer_path")
    return [
        config | {key: cluster.on_host(config[key]) for key in paths if isinstance(config.get(key), str)}
        for config in configs
    ]


def _plan_input(
    asked: ResolvedRequest, params: dict[str, Any], report: ProbeReport, known: Known, max_map_length: int
) -> PlanInput:
    """All that is planned from, except where and when: :func:`_claim` knows that."""
    request, cluster, config = asked.request, asked.cluster, asked.config
    return PlanInput(
        request=request,
        stamp="",
        run_dir="",
        instance=instance_id(),
        config=str(config.path),
        config_fingerprint=config.fingerprint,
        params=mask(params | ({"station_path": request.station_path} if request.station_path else {})),
        models=config.models,
        datasets=config.datasets,
        combinations=config.model_dataset_combinations,
        summarizer=config.summarizer,
        versions={dataset["abbr"]: prompt_hash(dataset)[:6] for dataset in config.datasets},
        modes={dataset["abbr"]: mode(dataset) for dataset in config.datasets},
        probe=report,
        cluster=cluster.to_values(),
        evaluation=asked.evaluation,
        tables=None if request.mode == "infer" else tables_config(config, asked.of_evaluation),
        partitioner=asked.infer.partitioner,
        known_predictions=known.predictions,
        known_results=known.results,
        believed=known.believed,
        believed_results=known.believed_results,
        believed_judgements=known.believed_judgements,
        max_map_length=max_map_length,
        data_dir=cluster.on_cluster(_data_dir(cluster)),
        warnings=(*config.warnings, *known.warnings),
    )


def _claim(
    seed: PlanInput,
    cluster: ClusterConfig,
    work_dir: Path,
    reused_dir: Path | None,
    spent: Mapping[Scope, str],
    *,
    dry_run: bool,
) -> tuple[PlanOutput, Path]:
    """The plan, and the folder that is its own.

    :param spent: limits on GPU-hours that are used up, and a line for each.
    """
    now = datetime.now().astimezone()
    while True:
        stamp = now.strftime("%Y%m%d_%H%M%S")
        folder = reused_dir or work_dir / stamp
        output = make_plan(replace(seed, stamp=stamp, run_dir=str(folder)))
        if dry_run:
            return output, folder
        _refuse_spent(output.plan, spent)
        if reused_dir or claim_run_dir(folder, cluster):
            return output, folder
        now += timedelta(seconds=1)


def _refuse_others(report: ProbeReport, weights: str, is_still: Callable[[], bool]) -> None:
    """A checkpoint that was overwritten since somebody chose it is not the one that is meant."""
    advice = "the series' next look takes what is there now as a new checkpoint"
    told = [model for model in report.models if weights and not model.bridge]  # OpenCompass's: with their adapters
    for model in told:
        if model.weights_id not in ("", weights):
            raise PlanError(
                f"{model.abbr} was overwritten since it was found: it holds {model.weights_id[:19]}, not "
                f"{weights[:19]}; {advice}"
            )
    if len(told) < len(report.models) and not is_still():
        names = ", ".join(model.abbr for model in report.models if model not in told)
        raise PlanError(f"{names} was overwritten or deleted since it was found; {advice}")


def _refuse_spent(plan: Plan, spent: Mapping[Scope, str]) -> None:
    """Begin nothing that would be stopped at once; what needs no GPU may go on."""
    if spent and any(shard.num_gpus for shard in plan.all_shards):
        lines = "\n- ".join(spent.values())
        raise HoursSpent(
            f"Nothing was started, because GPU-hours are used up:\n- {lines}\nWait for the next day where the limit is "
            "one of a day, or have it raised: in budgets.yaml, or as gpu_hours in the series' file; that of the run is "
            "--gpu-hours. Who used them: opencompass-ops budget",
            granted=tuple(line for scope, line in spent.items() if scope.kind in GRANTED),
        )


def _write(output: PlanOutput, folder: Path, report: ProbeReport, config: EvalConfig) -> None:
    files = LocalFiles(folder)
    dump = {
        "models": config.models,
        "datasets": config.datasets,
        "summarizer": config.summarizer,
        "work_dir": str(folder),
    }
    files.write(layout.config_dump(output.plan.stamp, os.getpid()), masked_text(dump))
    files.write(layout.PROBE, report.to_json())
    for spec in output.specs:
        files.write(layout.shard_spec(spec.id), spec.to_json())
    adopt(files, output)
    set_aside(files, output.plan)
    _disown_results(files, output)
    files.write(layout.PLAN, output.plan.to_json())  # last: a run directory with a plan is complete


def _disown_results(files: LocalFiles, output: PlanOutput) -> None:
    """An older score of predictions that are made again, though of the same request, must not stand for theirs."""
    for spec in output.specs:
        if spec.kind == EVAL:
            result = layout.result(spec.model_abbr, spec.parts[0].dataset_abbr)
            files.path(layout.manifest(result)).unlink(missing_ok=True)
