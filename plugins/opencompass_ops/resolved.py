"""What a request comes to: its config read, its stages known, and the cluster of each with all that is asked of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opencompass_ops.asked import cluster_for, models_for, with_all_asked, with_image
from opencompass_ops.bridging import with_own_opencompass
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.clusters.registry import open_cluster
from opencompass_ops.configs.library import find_config
from opencompass_ops.configs.load import load
from opencompass_ops.configs.masking import masked_text
from opencompass_ops.configs.resolve import EvalConfig
from opencompass_ops.contract.plan import PlannedStage
from opencompass_ops.errors import ConfigError
from opencompass_ops.gates.policy import GatePolicy
from opencompass_ops.instance import absolute
from opencompass_ops.planning.judging import with_section_judges
from opencompass_ops.planning.parameter import DLC, LOCAL
from opencompass_ops.planning.params import in_vain, misplaced
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.sections import EVAL, INFER, Stage, eval_stage, infer_stage
from opencompass_ops.publishing import requested
from opencompass_ops.reading import read_aliyun, read_config

Say = Callable[[str], None]


@dataclass(frozen=True)
class ResolvedRequest:
    """What a request comes to, once its config was read.

    :param request: with the numbers that the config's sections say.
    :param infer: how inference goes.
    :param cluster: where.
    :param evaluation: where and how evaluations go.
    """

    request: Request
    config: EvalConfig
    infer: Stage
    cluster: ClusterConfig
    evaluation: PlannedStage

    @property
    def scoring(self) -> ClusterConfig | None:
        """Where evaluations run; None when the run has none."""
        return self.of_evaluation if self.request.mode in ("all", "eval") else None

    @property
    def of_evaluation(self) -> ClusterConfig:
        """Where evaluations run, or would run."""
        return ClusterConfig.from_values(str(self.evaluation.cluster["name"]), self.evaluation.cluster)


def resolve_request(params: dict[str, Any], say: Say) -> ResolvedRequest:
    """Read the config that a request names and see where its stages go.

    :param params: the request's, with the suite's where it names one.
    :param say: called with the resolved config where somebody asked for it.
    :raises InputError: the request, its config or a cluster is wrong; the message names the culprit.
    """
    request = Request.from_params(params)
    GatePolicy.from_text(request.gate, request.baseline)  # a wrong policy is found out before anything is started
    known: dict[str, ClusterConfig] = {}
    config = read_config(request, _data_folder(request.cluster or LOCAL, known))
    if request.config_verbose:
        say(masked_text({"models": config.models, "datasets": config.datasets, "summarizer": config.summarizer}))
    config = _with_judges(config, is_replaced=bool(request.model_overrides or request.accelerator))
    said = infer_stage(config.infer, request)
    infer, cluster = placed(INFER, said, request, known)
    evaluation, of_evaluation = infer, cluster
    if request.mode in ("all", "eval"):
        scoring = eval_stage(config.eval, request, said)
        # What was typed goes for the cluster of evaluations where that of inference is of another kind.
        is_asked = scoring.is_asked or not set(request.resources) <= set(infer.resources)
        evaluation, of_evaluation = placed(EVAL, replace(scoring, is_asked=is_asked), request, known)
    notes = dict.fromkeys((*misplaced(params, {cluster.kind, of_evaluation.kind}), *infer.notes, *evaluation.notes))
    details = evaluation.dump_details if evaluation.dump_details is not None else True
    return ResolvedRequest(
        request=replace(
            request,
            max_num_workers=_at_once(request, infer),
            retry=infer.retry,
            dump_eval_details=request.dump_eval_details and details,
            station_path=request.station_path or config.station_path,
        ),
        config=replace(
            config,
            models=models_for(infer, config.models),
            warnings=(*config.warnings, *in_vain(params), *notes),
        ),
        infer=infer,
        cluster=cluster,
        evaluation=PlannedStage(of_evaluation.to_values(), _at_once(request, evaluation), evaluation.retry),
    )


def _at_once(request: Request, stage: Stage) -> int:
    """How many jobs of a stage may be alive; for the eyes of people one."""
    return 1 if request.debug else stage.max_num_workers


def configured_address(params: dict[str, Any]) -> str:
    """The ``lark_bot_url`` that a request's config says now, "" when it says none.

    It is read anew where it is needed, because it is as good as a password and is kept nowhere.

    :param params: the form's values.
    :raises InputError: the config cannot be read any more.
    """
    request = Request.from_params(requested(params))
    return read_config(request, _data_folder(request.cluster or LOCAL, {})).lark_bot_url


def placed(name: str, stage: Stage, request: Request, known: dict[str, ClusterConfig]) -> tuple[Stage, ClusterConfig]:
    """A stage with all that is asked of its cluster, and that cluster's config.

    :param name: ``infer`` or ``eval``.
    :param known: cluster configs that were read already, by name; to read one starts a process.
    :raises ConfigError: the cluster is none, is wrong, or cannot do what is asked of it.
    """
    if stage.cluster == DLC:
        read_aliyun(request, stage.aliyun)
        raise ConfigError(
            "the settings of PAI-DLC are complete, but clusters of the kind dlc are not built yet; run on Slurm "
            "(--slurm -p PARTITION), or name another cluster (--cluster NAME)"
        )
    if stage.cluster not in known:
        known[stage.cluster] = load_cluster(stage.cluster)
    config = known[stage.cluster]
    stage = with_all_asked(name, stage, request, config.kind)
    config = cluster_for(stage, with_image(config, request.image))
    shared = stage.max_workers_per_gpu if config.kind == LOCAL else None
    return stage, config if shared is None else replace(config, max_workers_per_gpu=shared)


def load_cluster(name: str) -> ClusterConfig:
    """The cluster config of this name, its folders absolute: every process of the run must mean the same ones.

    :raises ConfigError: there is none, or it is wrong; the message lists what there is.
    """
    path = find_config(name, kind="clusters")
    loaded = load([path])[0]
    if loaded.error:
        raise ConfigError(loaded.error)
    config = ClusterConfig.from_values(path.stem, loaded.values)
    open_cluster(config)  # its kind must exist and honour every setting, before anything is looked at
    config = replace(config, work_dir=_at_home(config.work_dir), data_dir=_at_home(config.data_dir))
    return with_own_opencompass(config, absolute("."))


def _with_judges(config: EvalConfig, *, is_replaced: bool) -> EvalConfig:
    """The config, its datasets told who judges them.

    :param is_replaced: whether other models are evaluated than the config's; then all of them are judged.
    """
    section = dict(config.eval or {})
    if is_replaced and isinstance(section.get("partitioner"), dict) and section["partitioner"].get("models"):
        section["partitioner"] = {**section["partitioner"], "models": config.models}
    return replace(config, eval=section or None, datasets=with_section_judges(section, config.models, config.datasets))


def _data_folder(name: str, known: dict[str, ClusterConfig]) -> Path:
    """Where configs find ./data before it is known which cluster they name; any folder of this host will do."""
    if name == DLC:
        return absolute(".")
    known[name] = load_cluster(name)
    return absolute(known[name].data_dir)


def _at_home(folder: str) -> str:
    return str(absolute(folder)) if folder else ""
