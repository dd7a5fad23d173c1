"""What is wrong with how a config wants its stages run, and with the summarizer that follows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from opencompass_ops.asked import models_for, with_all_asked
from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.configs.findings import Content, Finding
from opencompass_ops.configs.load import LoadedConfig
from opencompass_ops.configs.names import dataset_abbr, model_abbr
from opencompass_ops.configs.resolve import Entry
from opencompass_ops.errors import ConfigError, InputError, OpsError
from opencompass_ops.planning.parameter import DLC, LOCAL, SLURM
from opencompass_ops.planning.request import Request
from opencompass_ops.planning.sections import EVAL, INFER, Stage, eval_stage, infer_stage
from opencompass_ops.resolved import load_cluster, placed
from opencompass_ops.results.summary import check_summarizer, unknown_names


@dataclass(frozen=True)
class Sections:
    """How the two stages of a run shall go.

    :param infer: None where its section cannot be obeyed.
    :param evaluation: the same.
    """

    infer: Stage | None
    evaluation: Stage | None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Stages:
    """Where the two stages of a run would go.

    :param findings: why one cannot go where its section says; it is looked at on this host then.
    """

    infer: ClusterConfig
    scoring: ClusterConfig
    findings: tuple[Finding, ...] = ()


def sections(loaded: LoadedConfig, described: Content, request: Request) -> Sections:
    """What is wrong with each stage's section and with each model's ``run_cfg``."""
    told: list[Finding] = []
    infer = asked = infer_stage(None, request)
    found: list[Stage | None] = []
    for name in (INFER, EVAL):
        section = loaded.values.get(name)
        stage = None
        if section is None or isinstance(section, dict):  # else a finding of the text already
            try:
                stage = infer_stage(section, request) if name == INFER else eval_stage(section, request, infer)
                whole = with_all_asked(name, stage, request, SLURM)  # the kind of which the most may be asked
                infer, asked = (stage, whole) if name == INFER else (infer, asked)
            except OpsError as error:
                told += refused(error)
        found.append(stage)
    for model in named(described.models, model_abbr):
        try:
            models_for(asked, [model])
        except OpsError as error:
            told += refused(error)
    return Sections(found[0], found[1], tuple(told))


def stages(wanted: Sections, request: Request) -> Stages:
    """The clusters of both stages."""
    here = load_cluster(LOCAL if request.cluster in (None, DLC) else str(request.cluster))
    known = {here.name: here}
    told: list[Finding] = []
    places: list[ClusterConfig] = []
    for name, stage in ((INFER, wanted.infer), (EVAL, wanted.evaluation)):
        place = places[0] if places else here
        try:
            place = placed(name, stage, request, known)[1] if stage else place
        except OpsError as error:
            told += refused(error)
        places.append(place)
    return Stages(places[0], places[1], tuple(told))


def summarizer_findings(loaded: LoadedConfig, described: Content) -> list[Finding]:
    """Groups that cannot be worked out, and names of rows and members that nobody has."""
    summarizer = loaded.values.get("summarizer")
    if not isinstance(summarizer, dict):
        return []
    abbrs = [dataset["abbr"] for dataset in named(described.datasets, dataset_abbr)]
    try:
        check_summarizer(summarizer, abbrs)
        return [Finding(warning, is_error=False) for warning in unknown_names(summarizer, abbrs)]
    except OpsError as error:
        return refused(error)


def refused(error: OpsError) -> list[Finding]:
    """One finding for each culprit."""
    culprits: Sequence[str] = error.culprits if isinstance(error, InputError) else (str(error),)
    return [Finding(_in_a_line(culprit)) for culprit in culprits]


def _in_a_line(message: str) -> str:
    head, *items = message.split("\n- ")
    return " ".join(f"{head} {'; '.join(items)}".split("\n")).rstrip()


def named(entries: list[Entry], name: Callable[[Entry], str]) -> list[Entry]:
    """The entries that have a name, with it as their ``abbr``; the others are findings already."""
    found = []
    for entry in entries:
        with suppress(ConfigError):
            found.append({**entry, "abbr": name(entry)})
    return found
